"""Registering gVisor with the engine, for ``make gvisor``: install the distribution's ``runsc``, and tell the engine.

The engine's configuration is merged, never replaced, and kept beside as it was. The engine reads it anew on a signal
and is not restarted, so nothing that runs is touched. An engine that somebody else started is changed only where this
was asked for by name; ``--if-ours`` leaves it alone. What fails ends with exit code 6 and what to do.
"""

import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import docker

from fumehood.errors import EngineError
from fumehood.sandbox import engine
from fumehood.sandbox.capability import runtimes
from fumehood.sandbox.engine import Progress, Reached
from fumehood.sandbox.room import engine_errors

RUNTIME: Final = "runsc"
CONFIGURATION: Final = Path("/etc/docker/daemon.json")
_SYSTRAP_SINCE: Final = "20230801"
"""Date of the first releases whose quicker platform is the usual one; older ones have ptrace."""
_ANSWER_S: Final = 10.0
_BY_HAND: Final = "register it by hand, as gVisor's documentation for Docker says, with --network=none"


class Daemon(NamedTuple):
    """The process of the engine on this machine."""

    pid: int
    arguments: tuple[str, ...]
    is_ours: bool
    """Whether this program started it: its output goes to our log."""

    @property
    def configuration(self) -> Path:
        """The file that it reads: as its command line says, else the usual one."""
        for position, argument in enumerate(self.arguments):
            name, equals, value = argument.partition("=")
            if name == "--config-file":
                return Path(value if equals else self.arguments[position + 1])
        return CONFIGURATION


def register(progress: Progress, *, if_ours: bool = False) -> None:
    """Let the engine know gVisor, unless it does. ``if_ours``: only an engine that this program started.

    Raises EngineError where no engine answers, this is not root, or the engine does not take it.
    """
    reached = engine.reach()
    if RUNTIME in _known(reached.client):
        progress(f"the engine has the runtime {RUNTIME} already")
        return
    daemon = _daemon(reached)
    if if_ours and not daemon.is_ours:
        progress(f"the engine has no {RUNTIME}, and was not started by this program: `make gvisor` registers it")
        return
    _check_arguments(daemon)
    program = _installed(progress)
    change = merged(_read(daemon.configuration), {"path": program, "runtimeArgs": arguments(_version(program))})
    _replace(daemon.configuration, change, progress)
    _reload(reached.client, daemon, progress)


def arguments(version: str) -> list[str]:
    """Of the runtime: no network of its own, and the quickest platform that the release has and needs no KVM."""
    date = re.search(r"20\d{6}", version)
    platform = "systrap" if date and date[0] >= _SYSTRAP_SINCE else "ptrace"
    return ["--network=none", f"--platform={platform}"]


def merged(configuration: Mapping[str, Any], runtime: Mapping[str, Any]) -> dict[str, Any]:
    """The engine's configuration with one more runtime, and everything else as it was."""
    there = configuration.get("runtimes", {})
    if not isinstance(there, dict):
        raise EngineError("the engine's configuration has runtimes that are no table", "correct it by hand")
    return {**configuration, "runtimes": {**there, RUNTIME: dict(runtime)}}


def _known(client: docker.DockerClient) -> list[str]:
    with engine_errors("describing itself"):
        return runtimes(client.info())


def _daemon(reached: Reached) -> Daemon:
    if os.geteuid() != 0:
        raise EngineError(f"only root can register {RUNTIME} with the engine", "run `make gvisor` as root")
    pids, path = engine.daemons(), reached.endpoint.url.removeprefix("unix://")
    listener = _listener(path) if path != reached.endpoint.url else None
    # Where the service manager holds the socket, the listener is not the daemon.
    pid = listener if listener in pids else pids[0] if listener and len(pids) == 1 else None
    if pid is None:
        what = f"{len(pids)} Docker daemons run here, and the engine answers at {reached.endpoint.url}"
        raise EngineError(f"it is not clear which process the engine is: {what}", _BY_HAND)
    folder = Path("/proc", str(pid))
    command = tuple((folder / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0"))
    return Daemon(pid, command, (folder / "fd" / "1").resolve() == engine.log_file().resolve())


def _listener(path: str) -> int:
    """Process id of who listens on a socket; 0 where it cannot be seen from here."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        return int(struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])


def _check_arguments(daemon: Daemon) -> None:
    """The engine refuses runtimes that come from its command line and from its configuration at once."""
    if any(argument.startswith("--add-runtime") for argument in daemon.arguments):
        raise EngineError("the engine was started with --add-runtime", f"add {RUNTIME} there, too: {_BY_HAND}")


def _installed(progress: Progress) -> str:
    """Path of ``runsc``, from the distribution where it is not there."""
    if not shutil.which(RUNTIME):
        if not engine.is_debian_root():
            raise EngineError(f"{RUNTIME} is not installed, and this is not Debian or Ubuntu", _BY_HAND)
        engine.install_packages([RUNTIME], progress)
    if found := shutil.which(RUNTIME):
        return found
    raise EngineError(f"the package {RUNTIME} holds no program of that name", _BY_HAND)


def _version(program: str) -> str:
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=20).stdout


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8") or "{}")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EngineError(f"the engine's configuration {path} cannot be read: {error}", "correct it by hand") from error
    if not isinstance(found, dict):
        raise EngineError(f"the engine's configuration {path} is no JSON object", "correct it by hand")
    return found


def _replace(path: Path, configuration: Mapping[str, Any], progress: Progress) -> None:
    """Write the configuration anew, whole, by rename; the one before stays beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.fumehood-new")
    draft.write_text(json.dumps(configuration, indent=2) + "\n", encoding="utf-8")
    if path.exists():
        backup = path.with_name(f"{path.name}.before-{RUNTIME}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
        shutil.copy2(path, backup)
        shutil.copymode(path, draft)
        progress(f"{path} is kept as {backup}")
    draft.replace(path)
    progress(f"wrote the runtime {RUNTIME} into {path}")


def _reload(client: docker.DockerClient, daemon: Daemon, progress: Progress) -> None:
    """Make the engine read its configuration. Raises EngineError where it does not take it."""
    os.kill(daemon.pid, signal.SIGHUP)
    progress(f"told the engine (process {daemon.pid}) to read its configuration; containers go on running")
    deadline = time.monotonic() + _ANSWER_S
    while RUNTIME not in _known(client):
        if time.monotonic() > deadline:
            hint = f"read the engine's log; the configuration before lies beside {daemon.configuration}"
            raise EngineError(f"the engine did not take the runtime {RUNTIME}", hint)
        time.sleep(0.2)
    progress(f"registered: {', '.join(runtimes(client.info()))}")


def main(words: list[str]) -> int:
    """``python -m fumehood.sandbox.gvisor [--if-ours]``: register, say what was done, return the exit code."""
    try:
        register(lambda line: print(line, file=sys.stderr, flush=True), if_ours="--if-ours" in words)
    except EngineError as error:
        print(f"error: {error.what}\nnext: {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
