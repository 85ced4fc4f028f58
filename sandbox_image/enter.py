"""First program of every room: a clean process, an import path of our own, then the supervisor.

The interpreter runs it as PID 1 with ``-I -S -B``: no variable of the image's or the engine's acts, no user site, no
``.pth`` files, no bytecode written. Then it executes the interpreter once more with an environment of exactly one
variable of ours, which only a process that is not isolated (``-I``) obeys; the process keeps its id. Imports no package
that is not Python's own before that.
"""

import gc
import os
import sys
from typing import NoReturn

HOME = "/opt/fumehood"
ENVIRONMENT = {"PYTHONHASHSEED": "0"}
"""Every room hashes strings alike, so that what a candidate builds from a set comes out the same in the next room."""
SETTINGS = {
    "HOME": "/tmp",  # noqa: S108 - the room's own tmpfs
    "USER": "room",
    "LOGNAME": "room",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    # How often an idle thread of OpenMP looks for work before it sleeps, which by default is for milliseconds. On a
    # machine with other work to do, two threads that wait for each other so take 80 times as long (a small network's
    # step 41 ms, with this 1.3 ms); on an idle one, this costs nothing that could be measured (0.49 ms either way).
    "GOMP_SPINCOUNT": "5000",
}
"""Set inside the process, for the native libraries that read them when loaded. USER: a room's uid has no account."""


def start_over() -> None:
    """Run this program again in a process whose environment is ``ENVIRONMENT``; returns in that process."""
    if sys.flags.isolated:
        _, isolated, *rest = sys.orig_argv
        if isolated != "-I":
            raise SystemExit("the first option of a room's interpreter has to be -I")
        # All of -I but for the deafness to variables: nothing else is on the import path, and no user site.
        os.execve(sys.executable, [sys.executable, "-P", "-s", *rest], ENVIRONMENT)  # noqa: S606 - no shell is wanted


def set_paths() -> None:
    """Our two packages before, the image's libraries behind the standard library."""
    sys.path[:] = [f"{HOME}/app", *sys.path, f"{HOME}/site"]


def main() -> NoReturn:
    start_over()
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
