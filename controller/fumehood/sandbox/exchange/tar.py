"""A tar stream, member by member: what an engine writes, and nothing that tar can also be made to mean.

Read are POSIX and GNU headers of files and folders, long names in either style, and sizes beyond 8 GiB. Refused by
name or by kind, before any of it is held: sparse files, global and Solaris headers, long link targets, other encodings.
Python's own ``tarfile`` reads all of these, partly into memory that the archive sizes, and takes time that grows with
the square of a header; it is no reader for a stranger's bytes. Whether a name, kind or size is welcome is not judged
here (``archive``). Everything is streamed: at most one header extension and one piece of a file are in memory.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fumehood.sandbox.exchange.rejected import Rejected, shown

BLOCK = 512
_EXTENSION_BYTES = 64 * 1024
_LONG_NAME, _PAX = b"L", b"x"
_EXTENSIONS = (_LONG_NAME, _PAX, b"K", b"g", b"X")
"""Headers that say more of what follows: its long name or link target, its attributes, those of all, Solaris's own."""
_FILE, _FOLDER = (b"0", b"\0"), b"5"
_CHECKSUM = slice(148, 156)
_OCTAL = re.compile(rb"[0-7]*")
_DECIMAL = re.compile(rb"[0-9]{1,19}")


@dataclass(frozen=True)
class Member:
    """A file, folder or something else in the archive. Its ``pieces`` are read before the next member is asked for."""

    name: str
    size: int
    is_file: bool
    is_folder: bool
    pieces: Iterator[bytes]
    """Exactly ``size`` bytes; Rejected where the stream ends before."""


def members(stream: Iterable[bytes], cap: int) -> Iterator[Member]:
    """The members of ``stream``, of which at most ``cap`` bytes are read.

    Raises Rejected for whatever is not such an archive, is cut off, or is longer than ``cap``. What follows the
    archive's end mark is not read.
    """
    source = _Source(stream, cap)
    said: _Said | None = None
    while any(block := source.exactly(BLOCK)):
        header = _header(block)
        if header.kind in _EXTENSIONS:
            said = _extension(header, source, said)
            continue
        member = _member(header, said, source)
        yield member
        for _ in member.pieces:  # whatever was not taken
            pass
        source.exactly(-member.size % BLOCK)
        said = None
    if said is not None or any(source.exactly(BLOCK)):
        raise _unreadable("it ends where more was announced")


def _member(header: "_Fields", said: "_Said | None", source: "_Source") -> Member:
    said = said or _Said()
    size = header.size if said.size is None else said.size
    name = _text(header.name if said.name is None else said.name)
    is_folder = header.kind == _FOLDER
    return Member(
        name=name.removesuffix("/") if is_folder else name,
        size=size,
        is_file=header.kind in _FILE,
        is_folder=is_folder,
        pieces=source.pieces(size),
    )


# ---- one header --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Fields:
    name: bytes
    kind: bytes
    size: int


def _header(block: bytes) -> _Fields:
    checksum = sum(block) - sum(block[_CHECKSUM]) + len(block[_CHECKSUM]) * ord(" ")
    if block[257:262] != b"ustar" or _number(block[_CHECKSUM]) != checksum:
        raise _unreadable("a header is damaged, or of no known format")
    name, prefix = block[:100].partition(b"\0")[0], block[345:500].partition(b"\0")[0]
    if block[262:263] == b"\0" and prefix:  # POSIX; GNU keeps other things there
        name = prefix + b"/" + name
    return _Fields(name, block[156:157], _number(block[124:136]))


def _number(field: bytes) -> int:
    """Octal digits, or from its second byte on big-endian, as GNU and Go write what octal digits cannot hold."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not _OCTAL.fullmatch(digits):
        raise _unreadable("a number in a header is none")
    return int(digits or b"0", 8)


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise _unreadable("a name is not UTF-8") from error


def _unreadable(why: str) -> Rejected:
    return Rejected(f"the room's output is not a readable archive: {why}")


# ---- extensions of a header --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Said:
    """What an extension said of the member to come."""

    name: bytes | None = None
    size: int | None = None


def _extension(header: _Fields, source: "_Source", said: _Said | None) -> _Said:
    if header.size > _EXTENSION_BYTES:
        raise Rejected("the room's output has a header of an impossible size")
    if said is not None or header.kind not in (_LONG_NAME, _PAX):
        raise _unreadable(f"a header of kind {shown(header.kind.decode('latin-1'))} is not agreed there")
    content = source.exactly(header.size)
    source.exactly(-header.size % BLOCK)
    return _Said(name=content.rstrip(b"\0")) if header.kind == _LONG_NAME else _pax(content)


def _pax(content: bytes) -> _Said:
    """Name and size from the records ``LENGTH KEY=VALUE``; dates, owners and attributes are nobody's concern."""
    records: dict[bytes, bytes] = {}
    position = 0
    while position < len(content):
        space = content.find(b" ", position, position + 20)
        length = content[position:space] if space > 0 else b""
        end = position + int(length) if _DECIMAL.fullmatch(length) else position
        key, equals, value = content[space + 1 : end].partition(b"=")
        if end > len(content) or not value.endswith(b"\n") or not equals or key in records:
            raise _unreadable("an extended header is damaged")
        records[key], position = value[:-1], end
    if any(key.startswith(b"GNU.sparse") or key == b"hdrcharset" for key in records):
        raise _unreadable("a file in it is not a regular file, or its name is not UTF-8")
    size = records.get(b"size")
    if size is not None and not _DECIMAL.fullmatch(size):
        raise _unreadable("a number in a header is none")
    return _Said(name=records.get(b"path"), size=None if size is None else int(size))


# ---- the stream --------------------------------------------------------------------------------------------------


class _Source:
    """Bytes of a stream of chunks, in pieces of a known number; Rejected where it ends before, or after ``cap``."""

    def __init__(self, stream: Iterable[bytes], cap: int) -> None:
        self._chunks = iter(stream)
        self._left = cap
        self._buffer = memoryview(b"")

    def exactly(self, size: int) -> bytes:
        return b"".join(self.pieces(size))

    def pieces(self, size: int) -> Iterator[bytes]:
        while size > 0:
            while not self._buffer:
                self._buffer = memoryview(self._next())
            piece, self._buffer = self._buffer[:size], self._buffer[size:]
            size -= len(piece)
            yield bytes(piece)

    def _next(self) -> bytes:
        chunk = next(self._chunks, None)
        if chunk is None:
            raise _unreadable("it ends in the middle")
        self._left -= len(chunk)
        if self._left < 0:
            raise Rejected("the room's output is larger than the policy allows")
        return chunk
