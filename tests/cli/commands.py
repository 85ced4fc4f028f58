"""The command line as users start it: arguments in; exit code and what is on the two streams out."""

import json
import os
import subprocess
import sys
import tempfile
from typing import Any, NamedTuple


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Standard output, which must be one JSON document and nothing else."""
        assert self.out.count("\n") == 1, (self.out, self.err)
        document = json.loads(self.out)
        assert document["schema_version"] == 1
        return document


def started(*arguments: str, after: str = "pass") -> Done:
    """Run ``fumehood ARGUMENTS`` in an interpreter of its own; ``after`` is a Python statement run at its end."""
    code = f"import sys\nfrom fumehood.cli import main\ntry:\n    main()\nfinally:\n    {after}"
    return python(code, *arguments)


def python(code: str, *arguments: str) -> Done:
    """Run a program in an interpreter of its own, with the same packages in reach."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, env=environment, text=True, check=False, timeout=120)
    return Done(done.returncode, done.stdout, done.stderr)


def fumehood(*arguments: str, **environment: str) -> Done:
    """Run ``fumehood ARGUMENTS`` in a forked process: real streams and exit code, without importing all anew."""
    import fumehood.cli.outcome
    import fumehood.session  # noqa: F401  # once for all of the forked processes

    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            _become(arguments, environment, out.fileno(), err.fileno())
        _, status = os.waitpid(child, 0)
        streams = [(stream.seek(0), stream.read().decode())[1] for stream in (out, err)]
    return Done(os.waitstatus_to_exitcode(status), *streams)


def _become(arguments: tuple[str, ...], environment: dict[str, str], out: int, err: int) -> None:
    """The forked process: never returns."""
    code = 99
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        os.environ.update(environment)
        from fumehood.cli import main

        main(list(arguments))
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
