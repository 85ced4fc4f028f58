"""Files below one folder that may have come from somebody else: read without trusting a name, a kind or a size.

No link is followed, wherever it stands below the folder; nothing but regular files is opened, so nothing waits for a
writer; nothing larger than agreed is read; nothing is written.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

_CHUNK: Final = 1024 * 1024
_MOST_NAMES: Final = 200_000


class Unusable(Exception):
    """A file that is not as agreed; the message says in which way, as the end of a sentence."""


class Missing(Unusable):
    """There is nothing under that name."""


@dataclass(frozen=True)
class Tree:
    root: Path

    def digest(self, name: str, size: int, *, exact: bool = False) -> str:
        """SHA-256 of the file ``name`` (parts between slashes), which has ``size`` bytes, or at most that many."""
        state, left = hashlib.sha256(), size
        with self._open(name, size, exact=exact) as file:
            while chunk := file.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise Unusable("grows while it is read")
                state.update(chunk)
        return state.hexdigest()

    def read(self, name: str, size: int) -> bytes:
        """The content of the file ``name``, which has at most ``size`` bytes."""
        with self._open(name, size, exact=False) as file:
            content = file.read(size + 1)
        if len(content) > size:
            raise Unusable("grows while it is read")
        return content

    def has(self, name: str) -> bool:
        """Whether anything at all is under that name."""
        try:
            with self._folder(name) as (folder, last):
                os.stat(last, dir_fd=folder, follow_symlinks=False)
        except Unusable:
            return False
        except (OSError, ValueError):
            return False
        return True

    def names(self, name: str) -> list[str]:
        """What lies in the folder ``name``, sorted; nothing where it is missing or no folder."""
        try:
            with self._folder(f"{name}/.") as (folder, _), os.scandir(folder) as entries:
                return sorted(entry.name for entry, _ in zip(entries, range(_MOST_NAMES), strict=False))
        except (Unusable, OSError):
            return []

    @contextmanager
    def _open(self, name: str, size: int, *, exact: bool) -> Iterator[BinaryIO]:
        with _told(), self._folder(name) as (folder, last):
            # Looked at before it is opened, because opening a device can do something.
            _check(os.stat(last, dir_fd=folder, follow_symlinks=False), size, exact=exact)
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with os.fdopen(os.open(last, flags, dir_fd=folder), "rb", buffering=0) as file:
                _check(os.fstat(file.fileno()), size, exact=exact)
                yield file

    @contextmanager
    def _folder(self, name: str) -> Iterator[tuple[int, str]]:
        """Descriptor of the folder that the last part of ``name`` stands in, and that part."""
        *folders, last = name.split("/")
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        with _told():
            here = os.open(self.root, flags)
        try:
            for part in folders:
                if part in ("", ".", "..") or "\0" in part:
                    raise Unusable("has an impossible name")
                with _told():
                    below = os.open(part, flags | os.O_NOFOLLOW, dir_fd=here)
                os.close(here)
                here = below
            yield here, last
        finally:
            os.close(here)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise Missing("is missing") from error
    except NotADirectoryError as error:
        raise Unusable("stands where a link or a file is in place of a folder") from error
    except (OSError, ValueError) as error:  # ValueError: a null byte, or text that no file name can hold
        raise Unusable(f"cannot be read: {getattr(error, 'strerror', None) or 'impossible name'}") from error


def _check(status: os.stat_result, size: int, *, exact: bool) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise Unusable("is a link")
    if not stat.S_ISREG(status.st_mode):
        raise Unusable("is not a regular file")
    if status.st_size > size or (exact and status.st_size != size):
        raise Unusable(f"has {status.st_size} bytes, {'exactly' if exact else 'at most'} {size} expected")
