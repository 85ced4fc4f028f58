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

from fumehood.sandbox.owner import Owner

_PATIENCE_S = 30.0
_QUIET_ROUNDS = 3
"""A create call that the engine was still working on when the controller died shows only later."""


@contextlib.contextmanager
def watching(owner: Owner) -> Iterator[None]:
    """Have a watchdog for ``owner`` for as long as the context lasts; it finds the engine as we did."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fumehood.sandbox.watchdog", owner.id],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        if process.stdin is not None:
            process.stdin.close()


def main(owner: str) -> None:
    """Wait for the controller's end, then remove everything of ``owner`` until nothing more shows up."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 4096):
        pass
    from fumehood.errors import EngineError
    from fumehood.sandbox import engine, reaper

    give_up, quiet = time.monotonic() + _PATIENCE_S, 0
    while quiet < _QUIET_ROUNDS and time.monotonic() < give_up:
        with contextlib.suppress(EngineError):
            api = engine.connect(timeout_s=20).api
            litter = reaper.find(api, owner)
            quiet = 0 if litter else quiet + 1
            reaper.remove(api, litter)
        time.sleep(0.3)


if __name__ == "__main__":
    main(sys.argv[1])
