"""Reading a file that decides what is allowed: believed only where nobody but root and this user can change it.

Every step of the path is judged, symbolic links and what they lead to included, because whoever can write to a folder
can put another file in a file's place. In a folder with the sticky bit only owners can, so there the entry's owner
counts. A file that is not there is no error, unless others could have taken it away. Nothing is written.
"""

import os
import stat
from pathlib import Path
from typing import Final

_LINKS: Final = 40
"""As many symbolic links as the kernel follows."""
_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_WHOLE_MAP: Final = ["0", "0", "4294967295"]


class Untrusted(Exception):
    """``why`` the file is not to be believed, as a clause that begins with "it"."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def read(path: Path, largest: int) -> bytes | None:
    """Content of ``path``, at most ``largest`` bytes; None where there is no such file.

    Raises ``Untrusted`` for one that others could change, that is no regular file, or that is larger, and ``OSError``
    for one that cannot be read.
    """
    try:
        found = _resolve(path)
        # A FIFO in its place must not make us wait for a writer.
        with os.fdopen(os.open(found, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            _judge_file(os.fstat(file.fileno()))
            content = file.read(largest + 1)
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        raise Untrusted("it is a directory") from None
    if len(content) > largest:
        raise Untrusted(f"it is larger than {largest} bytes")
    return content


def _resolve(path: Path) -> Path:
    """``path`` without symbolic links; every folder and link on the way is judged before it is followed."""
    here, ahead, links = Path("/"), list(reversed(path.absolute().parts[1:])), 0
    while ahead:
        _judge_folder(here)
        name = ahead.pop()
        if name == "..":
            here = here.parent
            continue
        status = (here / name).lstat()
        if not stat.S_ISLNK(status.st_mode):
            here /= name
            continue
        links += 1
        if links > _LINKS:
            raise Untrusted("it leads through too many symbolic links")
        _judge_owner(status, f"the symbolic link {here / name}")
        target = (here / name).readlink()
        ahead.extend(reversed(target.parts[1:] if target.is_absolute() else target.parts))
        here = Path("/") if target.is_absolute() else here
    return here


def _judge_folder(folder: Path) -> None:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise Untrusted(f"it leads through {folder}, which is no folder")
    if status.st_uid not in (0, os.getuid(), _hidden_root()):
        raise Untrusted(f"it lies below {folder}, which belongs to user {status.st_uid}, neither to root nor to you")
    if status.st_mode & _OTHERS and not status.st_mode & stat.S_ISVTX:
        mode = stat.S_IMODE(status.st_mode)
        raise Untrusted(f"it lies below {folder}, in which others can put another file in its place (mode {mode:04o})")


def _judge_file(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Untrusted("it is a directory" if stat.S_ISDIR(status.st_mode) else "it is not a regular file")
    _judge_owner(status, "it")
    if status.st_mode & _OTHERS:
        raise Untrusted(f"others can write to it (mode {stat.S_IMODE(status.st_mode):04o})")


def _judge_owner(status: os.stat_result, what: str) -> None:
    if status.st_uid not in (0, os.getuid()):
        raise Untrusted(f"{what} belongs to user {status.st_uid}, neither to root nor to you")


def _hidden_root() -> int:
    """Who owns the machine's own folders in a user namespace that does not show its root; 0 everywhere else."""
    if Path("/proc/self/uid_map").read_text().split() == _WHOLE_MAP:
        return 0
    return int(Path("/proc/sys/kernel/overflowuid").read_text())
