"""Reading a file of the user's as a whole, or not at all.

It may be one that somebody is still writing. A file that grows, shrinks or changes between its first byte and its last
is a DataError, raised before the last piece is handed on, so that nobody takes the pieces for complete.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fumehood.errors import DataError
from fumehood.text import plain

_CHUNK = 1024 * 1024


@contextmanager
def whole_file(path: Path) -> Iterator[tuple[int, Iterator[bytes]]]:
    """Its size and exactly that many bytes, in pieces. DataError for what changes, is no file, or cannot be read."""
    with _opened(path) as source:
        before = os.fstat(source.fileno())
        yield before.st_size, _pieces(source, before, path)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with open(path, "rb", opener=_without_waiting) as source:
            if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
                raise DataError(f"{_shown(path)} is not a regular file.", "Copy what it yields to a file first.")
            yield source
    except OSError as error:
        raise DataError(f"{_shown(path)} cannot be read: {error.strerror}.", "Check it, then try again.") from error


def _without_waiting(path: str, flags: int) -> int:
    """Opens a FIFO too, where a plain open would wait for its writer for ever."""
    return os.open(path, flags | os.O_NONBLOCK)


def _pieces(source: BinaryIO, before: os.stat_result, path: Path) -> Iterator[bytes]:
    """Exactly the bytes that were announced, the last of them only once it is known that nothing changed."""
    left = before.st_size
    while left > 0:
        piece = source.read(min(_CHUNK, left))
        left -= len(piece)
        after = os.fstat(source.fileno())
        same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
        if not piece or not (left or same):
            raise DataError(
                f"{_shown(path)} changed while it was being sent into a room.",
                "Wait until whatever writes it is done, then try again.",
            )
        yield piece


def _shown(path: Path) -> str:
    return plain(str(path), 200)
