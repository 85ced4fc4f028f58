"""Files of a room as a tar archive for the controller, whatever a candidate left in their place.

Nothing is followed and nothing waited for: a link, a pipe or a device goes as what it is, without content, and it is
the controller that refuses it. Files change no more, because every other process of the room is dead; one that cannot
be opened is sent as empty as its owner made it look.
"""

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fumehood_shared import caps, paths
from fumehood_shared.messages import HandedFile, HandedOver

_KINDS: Final = {
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
}
_LENGTH_BYTES: Final = 8
_END: Final = bytes(2 * tarfile.BLOCKSIZE)


def archive(path: Path) -> Iterator[bytes]:
    """Everything at and below ``path``, under its last name; empty where there is nothing."""
    sent: set[tuple[int, int]] = set()
    for name, entry, found in _walk(path):
        if found is None or not stat.S_ISREG(found.st_mode):
            yield _header(name, 0, _kind(found))
        elif (found.st_dev, found.st_ino) in sent:
            yield _header(name, 0, tarfile.LNKTYPE)
        else:
            sent.add((found.st_dev, found.st_ino))
            yield from _file(name, entry, found.st_size)
    yield _END


def heads(path: Path) -> Iterator[bytes]:
    """The same, but of each file only what holds a weights file's header; sizes and digests of the whole files follow.

    In a room that has run nothing of a candidate's these are facts.
    """
    files: list[HandedFile] = []
    for name, entry, found in _walk(path):
        if found is None or not stat.S_ISREG(found.st_mode):
            yield _header(name, 0, _kind(found))
            continue
        head, size, digest = _looked_at(entry)
        yield from _content(name, head)
        if len(files) < caps.SEEDS:  # one more than can be expected: the archive alone is refused
            files.append(HandedFile(name=_told(name), bytes=size, digest=digest))
    message = HandedOver(files=tuple(files)).model_dump_json().encode()
    yield from _content(f"{path.name}/{paths.HANDED_OVER}", message)
    yield _END


def _told(name: str) -> str:
    """A name below the folder, for the message; the archive has it as it is."""
    return name.partition("/")[2].encode("utf-8", "replace").decode()[:200]


def _walk(path: Path) -> Iterator[tuple[str, Path, os.stat_result | None]]:
    """Names in the archive, what they name, and its kind where it can be told: folders before what is in them."""
    if not os.path.lexists(path):
        return
    waiting = [(path.name, path)]
    while waiting:
        name, entry = waiting.pop()
        found = _stat(entry)
        yield name, entry, found
        if found is not None and stat.S_ISDIR(found.st_mode):
            try:
                children = sorted((child.name for child in entry.iterdir()), reverse=True)
            except OSError:  # its owner may have closed it
                continue
            waiting.extend((f"{name}/{child}", entry / child) for child in children)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:  # too long a path
        return None


def _kind(found: os.stat_result | None) -> bytes:
    """How an archive calls what is no file; whatever it has no word for goes as a pipe."""
    return _KINDS.get(stat.S_IFMT(found.st_mode), tarfile.FIFOTYPE) if found else tarfile.FIFOTYPE


def _file(name: str, path: Path, size: int) -> Iterator[bytes]:
    """Exactly ``size`` bytes: where the file gives fewer, zeros."""
    yield _header(name, size, tarfile.REGTYPE)
    left = size
    for piece in _pieces(path, size):
        left -= len(piece)
        yield piece
    while left:
        zeros = bytes(min(left, caps.PIECE_BYTES))
        left -= len(zeros)
        yield zeros
    if padding := -size % tarfile.BLOCKSIZE:
        yield bytes(padding)


def _content(name: str, content: bytes) -> Iterator[bytes]:
    yield _header(name, len(content), tarfile.REGTYPE) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def _looked_at(path: Path) -> tuple[bytes, int, str]:
    """First bytes, size and SHA-256 of a file."""
    digest, size, head = hashlib.sha256(), 0, b""
    for piece in _pieces(path, 2**62):
        head += piece[: caps.WEIGHTS_HEAD_BYTES - len(head)]
        digest.update(piece)
        size += len(piece)
    length = min(int.from_bytes(head[:_LENGTH_BYTES], "little"), caps.SAFETENSORS_HEADER_BYTES)
    return head[: _LENGTH_BYTES + length], size, digest.hexdigest()


def _pieces(path: Path, most: int) -> Iterator[bytes]:
    """At most ``most`` bytes of a regular file; none where it cannot be opened."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return
    try:
        while most > 0 and (piece := os.read(handle, min(most, caps.PIECE_BYTES))):
            most -= len(piece)
            yield piece
    finally:
        os.close(handle)


def _header(name: str, size: int, kind: bytes) -> bytes:
    info = tarfile.TarInfo(name + "/" if kind == tarfile.DIRTYPE else name)
    info.size, info.type, info.mode = size, kind, 0o600
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
