"""Files of ours become the tar stream that goes into a room, and it is known what bytes went.

A file on disk is sent as a whole only (``whole_file``): where it changes meanwhile, the stream ends in the middle of
it, so that no engine takes it for complete. Everything is owned by root and readable by all, so that no room can
change it.
"""

import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fumehood.whole_file import whole_file


class Opened(Protocol):
    """Something that becomes one file of a room as it is read."""

    def opened(self) -> AbstractContextManager[tuple[int, Iterable[bytes]]]:
        """Its size and exactly that many bytes, in pieces. Raises DataError for what changes meanwhile."""
        ...


@dataclass(frozen=True)
class Outgoing:
    """One file for a room: its path there, relative to the folder it is put into, and bytes or their source."""

    name: str
    content: bytes | Path | Opened

    @contextmanager
    def opened(self) -> Iterator[tuple[int, Iterable[bytes]]]:
        """Its size and exactly that many bytes, in pieces. Raises DataError for a file that changes."""
        if isinstance(self.content, bytes):
            yield len(self.content), [self.content]
            return
        with whole_file(self.content) if isinstance(self.content, Path) else self.content.opened() as opened:
            yield opened


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
