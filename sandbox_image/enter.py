"""First program of every room: a clean process, an import path of our own, then the supervisor.

The interpreter runs it as PID 1 with ``-I -S -B``: no user site, no ``.pth`` files, no bytecode written. What the
engine put into the environment is dropped by executing the interpreter once more with none; the process keeps its id.
Imports no package that is not Python's own before that.
"""

import gc
import os
import sys
from collections.abc import Mapping
from typing import NoReturn

HOME = "/opt/fumehood"
LOCALE = "LC_CTYPE"
"""Set by the interpreter itself at start-up where the locale is C."""
SETTINGS = {
    "HOME": "/tmp",  # noqa: S108 - the room's own tmpfs
    "USER": "room",
    "LOGNAME": "room",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}
"""Set inside the process, for the native libraries that read them when loaded. USER: a room's uid has no account."""


def drop_environment(environment: Mapping[str, str]) -> None:
    """Start over with no environment at all, unless that is what we have."""
    if environment.keys() - {LOCALE}:
        os.execve(sys.executable, sys.orig_argv, {})  # noqa: S606 - no shell is wanted


def set_paths() -> None:
    """Our two packages before, the image's libraries behind the standard library."""
    sys.path[:] = [f"{HOME}/app", *sys.path, f"{HOME}/site"]


def main() -> NoReturn:
    drop_environment(os.environ)
    os.environ.update(SETTINGS)
    set_paths()
    gc.disable()  # imports make much and drop nothing; the supervisor turns it on again when all is loaded
    import torchvision_shim

    torchvision_shim.install()
    from fumehood_runner import supervise

    supervise.main(sys.argv[1:])
    sys.exit(0)


if __name__ == "__main__":
    main()
