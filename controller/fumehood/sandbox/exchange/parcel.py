"""Files of ours become the tar stream that goes into a room, and it is known what bytes went.

A file on disk may be one that somebody is still writing, such as a CSV. It is sent only as a whole: a file that grows,
shrinks or changes between its first byte and its last is a DataError, and the stream ends in the middle of it, so that
no engine takes it for complete. Everything is owned by root and readable by all, so that no room changes it.
"""

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fumehood.errors import DataError
from fumehood.text import plain

_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Outgoing:
    """One file for a room: its path there, relative to the folder it is put into, and bytes or a file of ours."""

    name: str
    content: bytes | Path

    @contextmanager
    def opened(self) -> Iterator[tuple[int, Iterable[bytes]]]:
        """Its size and exactly that many bytes, in pieces. Raises DataError for a file that changes."""
        if isinstance(self.content, bytes):
            yield len(self.content), [self.content]
            return
        with _opened(self.content) as source:
            before = os.fstat(source.fileno())
            yield before.st_size, _pieces(source, before, self.content)


class Parcel:
    """Iterating yields the tar stream of ``files`` and their folders. Raises DataError for a file that changes."""

    def __init__(self, files: Iterable[Outgoing]) -> None:
        self._files = tuple(files)
        self.digests: dict[str, str] = {}
        """Name -> SHA-256 of the bytes that were sent, hexadecimal; complete once the stream was read to its end."""

    def __iter__(self) -> Iterator[bytes]:
        made: set[str] = set()
        for file in self._files:
            for folder in reversed(Path(file.name).parents):
                name = str(folder)
                if name != "." and name not in made:
                    made.add(name)
                    yield _header(name, 0, 0o755, tarfile.DIRTYPE)
            yield from self._member(file)
        yield bytes(2 * tarfile.BLOCKSIZE)

    def _member(self, file: Outgoing) -> Iterator[bytes]:
        with file.opened() as (size, pieces):
            yield from self._sent(file.name, size, pieces)

    def _sent(self, name: str, size: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
        digest = hashlib.sha256()
        yield _header(name, size, 0o444, tarfile.REGTYPE)
        for piece in pieces:
            digest.update(piece)
            yield piece
        yield bytes(-size % tarfile.BLOCKSIZE)
        self.digests[name] = digest.hexdigest()


def _header(name: str, size: int, mode: int, kind: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.type = size, mode, kind
    return info.tobuf(tarfile.GNU_FORMAT)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file; DataError for anything else, and for what cannot be read."""
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
    """Exactly the bytes that the header announced, the last of them only once it is known that nothing changed."""
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
