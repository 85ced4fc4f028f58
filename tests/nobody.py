"""A function run as a user who owns nothing, in a forked process: files and sockets of others are really closed to it.

Forked, because the interpreter itself may lie in a folder that this user cannot enter. Where the tests' own user is not
root, the function runs as that user, who has no rights to speak of either.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from typing import NamedTuple, NoReturn

UID = 65534


class Done(NamedTuple):
    code: int
    out: str
    err: str


def as_nobody(work: Callable[[], int], **environment: str) -> Done:
    """Run ``work``; its exit code, and what it wrote to the two streams. What it needs is imported beforehand."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryDirectory() as home:
        if os.geteuid() == 0:
            os.chown(home, UID, UID)
        child = os.fork()
        if child == 0:
            _become(work, {"HOME": home, "XDG_STATE_HOME": home, **environment}, out.fileno(), err.fileno())
        _, status = os.waitpid(child, 0)
        streams = [(stream.seek(0), stream.read().decode())[1] for stream in (out, err)]
    return Done(os.waitstatus_to_exitcode(status), *streams)


def _become(work: Callable[[], int], environment: dict[str, str], out: int, err: int) -> NoReturn:
    code = 99
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        os.environ.update(environment)
        os.chdir(environment["HOME"])
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(UID)
            os.setuid(UID)
        code = work()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 98
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
