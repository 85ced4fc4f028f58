"""Tar streams as a room's folder ``out`` yields them, made with Python's own writer, which can write any member."""

import io
import tarfile
from collections.abc import Mapping
from typing import Any

from fumehood.sandbox.exchange import Expected, Received, unpack

MIB = 1024 * 1024


def tar(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    """An archive of members as one stream."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, **fields: Any) -> tuple[Any, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def out(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """What a room's folder ``out`` looks like with these members."""
    return tar(member("out", kind=tarfile.DIRTYPE), *members)


def block(changes: Mapping[int, bytes], name: str = "out/a", size: int = 0, kind: bytes = tarfile.REGTYPE) -> bytes:
    """One header with bytes changed at some offsets, and a checksum that is right again."""
    raw = bytearray(member(name, kind=kind, size=size)[0].tobuf(tarfile.USTAR_FORMAT))
    for position, value in changes.items():
        raw[position : position + len(value)] = value
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw)


def pax(records: bytes) -> bytes:
    """An extended header for the member that follows."""
    return block({}, "PaxHeaders/a", len(records), tarfile.XHDTYPE) + records + bytes(-len(records) % 512)


def read(
    stream: bytes, expected: Mapping[str, Expected] | None = None, cap: int = MIB, chunk: int = 1000
) -> dict[str, Received]:
    chunks = (stream[i : i + chunk] for i in range(0, len(stream), chunk))
    return unpack(chunks, "out", {"a": Expected(100)} if expected is None else expected, cap)
