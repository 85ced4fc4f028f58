"""What a room's archive must hold to be taken: expected names, regular files, agreed sizes, each once."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fumehood.sandbox.exchange.rejected import Rejected, shown
from fumehood.sandbox.exchange.tar import Member, members


@dataclass(frozen=True)
class Expected:
    """A file that may come out of a room. ``size`` is its exact size, or with ``exact=False`` its cap.

    ``keep`` is the new file that its bytes are streamed to; None keeps them in memory, for the small ones. With
    ``hash_only`` they are read for their digest and dropped.
    """

    size: int
    exact: bool = False
    keep: Path | None = None
    hash_only: bool = False


@dataclass(frozen=True)
class Received:
    """A file that came out as expected."""

    size: int
    digest: str
    """SHA-256, hexadecimal."""
    content: bytes = b""
    """Only where it was kept in memory."""


def unpack(stream: Iterable[bytes], root: str, expected: Mapping[str, Expected], total_cap: int) -> dict[str, Received]:
    """Read the archive of folder ``root`` and take out the ``expected`` files (names relative to it); all are optional.

    With ``root`` empty the archive holds one file instead, under its own name.

    Raises Rejected for any other name, a link or special file, a wrong size, a name that comes twice, a stream longer
    than ``total_cap`` bytes or one that is not a whole tar archive. Files it wrote to ``keep`` are removed then.
    """
    folders = {str(parent) for name in expected for parent in Path(name).parents}
    received: dict[str, Received] = {}
    written: list[Path] = []
    try:
        for member in members(stream, total_cap):
            name = _relative(member.name, root)
            if member.is_folder and name in folders and not member.size:
                folders.remove(name)
                continue
            wanted = _agreed(member, name, expected)
            if name in received:
                raise Rejected(f"{name} comes twice in the room's output")
            received[name] = _take(member, wanted, written)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return received


def _relative(name: str, root: str) -> str:
    """Name below ``root``; the root itself is ``.``."""
    if not root:
        return name
    if name == root:
        return "."
    if not name.startswith(f"{root}/"):
        raise _unexpected(name)
    return name[len(root) + 1 :]


def _agreed(member: Member, name: str, expected: Mapping[str, Expected]) -> Expected:
    wanted = expected.get(name)
    if wanted is None:
        raise _unexpected(name)
    if not member.is_file:
        raise Rejected(f"{name} is not a regular file")
    if member.size > wanted.size or (wanted.exact and member.size != wanted.size):
        raise Rejected(
            f"{name} has {member.size} bytes, {'exactly' if wanted.exact else 'at most'} {wanted.size} agreed"
        )
    return wanted


def _unexpected(name: str) -> Rejected:
    return Rejected(f"unexpected name {shown(name)} in the room's output")


def _take(member: Member, wanted: Expected, written: list[Path]) -> Received:
    if wanted.keep is not None:
        with wanted.keep.open("xb") as target:
            written.append(wanted.keep)
            return Received(member.size, _copy(member, target.write))
    kept: list[bytes] = []
    digest = _copy(member, (lambda _: None) if wanted.hash_only else kept.append)
    return Received(member.size, digest, b"".join(kept))


def _copy(member: Member, write: Callable[[bytes], object]) -> str:
    """Hand all of a member on, in bounded pieces; its SHA-256."""
    digest = hashlib.sha256()
    for piece in member.pieces:
        digest.update(piece)
        write(piece)
    return digest.hexdigest()
