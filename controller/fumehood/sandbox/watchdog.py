"""A process that outlives a killed controller by a moment and removes what it left on the engine.

It runs in a session of its own and holds the read end of a pipe. End of file means that the controller is gone, by
whatever death; then everything labelled with its owner id goes. Rooms usually end by themselves at the same moment,
because their standard input breaks; but created, stopped and gVisor rooms do not notice, and volumes never do.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

from fumehood.errors import EngineError
from fumehood.sandbox.owner import Owner

_READY = b"ready\n"
_ANSWER_S = 20.0
_PATIENCE_S = 30.0
_QUIET_ROUNDS = 3
"""A create call that the engine was still working on when the controller died shows only later."""


@contextlib.contextmanager
def watching(owner: Owner) -> Iterator[None]:
    """Have a watchdog for ``owner`` for as long as the context lasts.

    It imports from where this process does, and never from the current directory (``-P``), which may be anybody's.
    Raises EngineError where it does not get ready: without it a killed controller would leave rooms behind.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "fumehood.sandbox.watchdog", owner.id],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        if process.stdout is None or process.stdout.read(len(_READY)) != _READY:
            raise EngineError("the process that cleans up after a killed run does not start", "fumehood doctor")
        yield
    finally:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def main(owner: str) -> None:
    """Wait for the controller's end, then remove everything of ``owner`` until nothing more shows up.

    The engine is found as the controller found it, from the same environment, and before anything is made.
    """
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    from fumehood.sandbox import engine, reaper

    api = engine.connect(timeout_s=_ANSWER_S).api
    os.write(1, _READY)
    while os.read(0, 4096):
        pass
    give_up, quiet = time.monotonic() + _PATIENCE_S, 0
    while quiet < _QUIET_ROUNDS and time.monotonic() < give_up:
        with contextlib.suppress(EngineError):
            litter = reaper.find(api, owner)
            quiet = 0 if litter else quiet + 1
            reaper.remove(api, litter)
        time.sleep(0.3)


if __name__ == "__main__":
    main(sys.argv[1])
