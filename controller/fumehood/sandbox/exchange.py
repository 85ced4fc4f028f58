"""Bytes in and out of a room. The only place where bytes that came out of a container are parsed.

Out of a room comes a tar stream. It is read member by member against a list of what is expected; only regular files
of an expected name and an allowed size are taken, nothing is extracted as it comes, nothing is unpickled. What does not
fit is a ``Rejected`` with the reason. Nothing here waits on a room.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from fumehood_shared import caps

_CHUNK = 1024 * 1024
_EXTENSION_BYTES = 64 * 1024
_EXTENSIONS = (
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
)  # fmt: skip
"""Kinds of headers that say more of the next member: long names, extended attributes."""
_M = TypeVar("_M", bound=BaseModel)


class Rejected(Exception):
    """Bytes from a room that are not what was agreed; the message says which and why."""


# ---- into a room -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outgoing:
    """One file for a room: its path there, relative to the folder it is put into, and bytes or a file of ours."""

    name: str
    content: bytes | Path

    @property
    def size(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size


def pack(files: Iterable[Outgoing]) -> Iterator[bytes]:
    """A tar stream of ``files`` and their folders; owned by root and readable by all, so that no room changes them."""
    made: set[str] = set()
    for file in files:
        for folder in reversed(Path(file.name).parents):
            name = str(folder)
            if name != "." and name not in made:
                made.add(name)
                yield _header(name, 0, 0o755, tarfile.DIRTYPE)
        yield _header(file.name, file.size, 0o444, tarfile.REGTYPE)
        yield from _padded(file.content)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _header(name: str, size: int, mode: int, kind: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.type = size, mode, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def _padded(content: bytes | Path) -> Iterator[bytes]:
    size = 0
    with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as source:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            yield chunk
    yield bytes(-size % tarfile.BLOCKSIZE)


# ---- out of a room -----------------------------------------------------------------------------------------------


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
    than ``total_cap`` bytes or one that is not a tar archive. Files already written to ``keep`` are removed then.
    """
    folders = {str(parent) for name in expected for parent in Path(name).parents}
    entered: set[str] = set()
    received: dict[str, Received] = {}
    try:
        with tarfile.open(fileobj=_Capped(stream, total_cap), mode="r|", tarinfo=_Header) as archive:
            for member in archive:
                name = _relative(member.name, root)
                if member.isdir() and name in folders - entered:
                    entered.add(name)
                    continue
                received[name] = _take(archive, member, name, expected, received)
    except (tarfile.TarError, ArithmeticError, LookupError, RecursionError, ValueError, EOFError) as error:
        _discard(expected)
        raise Rejected(f"the room's output is not a readable archive: {type(error).__name__}") from error
    except BaseException:
        _discard(expected)
        raise
    return received


class _Header(tarfile.TarInfo):
    """A member's header whose extensions are small: tarfile reads those whole, before their size can be asked for."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise Rejected(f"{_shown(self.name)} is not a regular file")
        if self.type in _EXTENSIONS and self.size > _EXTENSION_BYTES:
            raise Rejected("the room's output has a header of an impossible size")
        member: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]  # where tarfile lets subclasses in
        return member


def _relative(name: str, root: str) -> str:
    """Name below ``root``; the root itself is ``.``."""
    if not root:
        return name
    if name == root:
        return "."
    if not name.startswith(f"{root}/"):
        raise Rejected(f"unexpected name {_shown(name)} in the room's output")
    return name[len(root) + 1 :]


def _take(
    archive: tarfile.TarFile,
    member: tarfile.TarInfo,
    name: str,
    expected: Mapping[str, Expected],
    received: Mapping[str, Received],
) -> Received:
    wanted = expected.get(name)
    if wanted is None:
        raise Rejected(f"unexpected name {_shown(name)} in the room's output")
    if name in received:
        raise Rejected(f"{name} comes twice in the room's output")
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        raise Rejected(f"{name} is not a regular file")
    if not 0 <= member.size <= wanted.size or (wanted.exact and member.size != wanted.size):
        raise Rejected(
            f"{name} has {member.size} bytes, {'exactly' if wanted.exact else 'at most'} {wanted.size} agreed"
        )
    source = archive.extractfile(member)
    if source is None:
        raise Rejected(f"{name} cannot be read")
    if wanted.keep is not None:
        with wanted.keep.open("xb") as target:
            return Received(member.size, _copy(source, member.size, target.write))
    kept: list[bytes] = []
    digest = _copy(source, member.size, (lambda _: None) if wanted.hash_only else kept.append)
    return Received(member.size, digest, b"".join(kept))


def _copy(source: IO[bytes], size: int, write: Callable[[bytes], object]) -> str:
    """Move exactly ``size`` bytes in bounded pieces; their SHA-256."""
    digest = hashlib.sha256()
    while size > 0:
        chunk = source.read(min(_CHUNK, size))
        if not chunk:
            raise Rejected("the room's output ends in the middle of a file")
        digest.update(chunk)
        write(chunk)
        size -= len(chunk)
    return digest.hexdigest()


def _discard(expected: Mapping[str, Expected]) -> None:
    for wanted in expected.values():
        if wanted.keep is not None:
            wanted.keep.unlink(missing_ok=True)


def _shown(name: str) -> str:
    return ascii(name[:80])


class _Capped(io.RawIOBase):
    """File-like view of a stream of chunks that ends in Rejected after ``cap`` bytes."""

    def __init__(self, stream: Iterable[bytes], cap: int) -> None:
        self._chunks = iter(stream)
        self._left = cap
        self._buffer = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._buffer:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left -= len(chunk)
            if self._left < 0:
                raise Rejected("the room's output is larger than the policy allows")
            self._buffer = memoryview(chunk)
        size = min(len(target), len(self._buffer))
        target[:size], self._buffer = self._buffer[:size], self._buffer[size:]
        return size


# ---- bytes to values ---------------------------------------------------------------------------------------------


def parse(raw: bytes, model: type[_M], cap: int) -> _M:
    """Strict JSON to a message: size and depth capped, no duplicate keys, no NaN, no unknown fields, exact types."""
    if len(raw) > cap:
        raise Rejected(f"a message of {len(raw)} bytes, at most {cap} agreed")
    try:
        _check_depth(json.loads(raw, object_pairs_hook=_unique, parse_constant=_no_constant), caps.JSON_DEPTH)
        return model.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part)[:40] for part in first["loc"])
        raise Rejected(f"a message does not fit {model.__name__}: {where}: {first['type']}") from error
    except (ValueError, RecursionError) as error:
        raise Rejected(f"a message is not strict JSON: {type(error).__name__}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _check_depth(value: Any, left: int) -> None:
    if left == 0:
        raise ValueError("nested too deeply")
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        _check_depth(child, left - 1)


_ITEM_BYTES = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2, "I8": 1,
    "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "C64": 8,
}  # fmt: skip


def count_parameters(path: Path) -> int:
    """Parameters and buffers in a safetensors file: max(elements, bytes / 4), from its checked header.

    Bytes count too because an element of 8 bytes can carry two numbers. Raises Rejected for a header that is too long,
    carries metadata, leaves gaps, overlaps or does not end where the file ends.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(caps.SAFETENSORS_HEADER_BYTES, size - 8):
            raise Rejected("the weights file has a header of an impossible length")
        raw = file.read(length)
    elements = _check_tensors(_parse_header(raw), size - 8 - length)
    return max(elements, (size - 8 - length) // 4)


def _parse_header(raw: bytes) -> dict[str, Any]:
    try:
        header = json.loads(raw, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Rejected("the weights file has a header that is not strict JSON") from error
    if not isinstance(header, dict) or "__metadata__" in header or len(header) > caps.TENSORS:
        raise Rejected("the weights file has metadata, too many tensors, or no table of tensors")
    return header


def _check_tensors(header: Mapping[str, Any], data_bytes: int) -> int:
    """Sum of elements; the tensors must fill the data exactly, one after another."""
    spans, elements = [], 0
    for entry in header.values():
        begin, end, count = _tensor(entry)
        spans.append((begin, end))
        elements += count
    position = 0
    for begin, end in sorted(spans):
        if begin != position:
            raise Rejected("the weights file has gaps or overlapping tensors")
        position = end
    if position != data_bytes:
        raise Rejected("the weights file does not end where its header says")
    return elements


def _tensor(entry: Any) -> tuple[int, int, int]:
    try:
        item, shape, (begin, end) = _ITEM_BYTES[entry["dtype"]], entry["shape"], entry["data_offsets"]
        numbers = [*shape, begin, end]
    except (KeyError, TypeError, ValueError) as error:
        raise Rejected("the weights file has a tensor that is described wrongly") from error
    if any(type(n) is not int or not 0 <= n < 2**48 for n in numbers) or len(shape) > 16:
        raise Rejected("the weights file has a tensor of an impossible shape")
    count = 1
    for n in shape:
        count *= n
    if count * item != end - begin:
        raise Rejected("the weights file has a tensor whose shape and size disagree")
    return begin, end, count


def read_predictions(path: Path, rows: int, columns: int) -> npt.NDArray[np.float32]:
    """The float32 array of shape (rows, columns) in ``path``; Rejected if a number is not finite."""
    size, agreed = path.stat().st_size, rows * columns * 4
    if size != agreed:
        raise Rejected(f"predictions have {size} bytes, {agreed} agreed")
    array = np.fromfile(path, dtype="<f4").reshape(rows, columns)
    bad = int((~np.isfinite(array)).any(axis=1).sum())
    if bad:
        raise Rejected(f"{bad} of {rows} predictions are NaN or infinite")
    return array
