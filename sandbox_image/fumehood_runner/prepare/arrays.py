"""Arrays go to disk a block at a time, as the wire has them: raw little-endian values in C order.

A full disk is the size of the data against the room's limit, so it is a refusal; every other error of the system is
a crash.
"""

import errno
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fumehood_runner.prepare.refusals import Refused
from fumehood_shared import paths
from fumehood_shared.messages import ArraySpec, RefusalKind

Fingerprints = NDArray[np.uint64]

_WIRE = {"float32": "<f4", "int64": "<i8"}
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


def write_inputs(folder: Path, name: str, spec: ArraySpec, blocks: Iterable[NDArray[Any]]) -> Fingerprints:
    """Write blocks of rows to ``folder``, float32 or int64; N fingerprints, equal for rows of equal bytes."""
    prints: list[bytes] = []

    def written() -> Iterable[NDArray[Any]]:
        for block in blocks:
            prints.extend(hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in block)
            yield block

    _write(folder, name, spec, _WIRE[spec.dtype], written())
    return np.frombuffer(b"".join(prints), dtype=np.uint64)


def write_targets(folder: Path, name: str, spec: ArraySpec, values: NDArray[Any]) -> None:
    """Write class indices as int64 N, or numbers as float32 N x 1."""
    _write(folder, name, spec, _WIRE[spec.dtype], [values])


def repeats(earlier: Fingerprints, later: Fingerprints) -> int:
    """How many rows of ``later`` are equal to some row of ``earlier``."""
    return int(np.isin(later, earlier).sum())


def _write(folder: Path, name: str, spec: ArraySpec, dtype: str, blocks: Iterable[NDArray[Any]]) -> None:
    path = folder / paths.array_file(name)
    try:
        with path.open("wb") as file:
            for block in blocks:
                file.write(np.ascontiguousarray(block, dtype=dtype).data)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        path.unlink()  # the refusal itself needs room
        raise Refused(
            RefusalKind.NOT_READABLE,
            f"The encoded data does not fit the room's volume: {name} alone is {spec.nbytes / 2**20:.1f} MiB. "
            "Use fewer rows or columns, or a policy with a larger exchange.",
        ) from error
    if path.stat().st_size != spec.nbytes:
        raise RuntimeError(f"{name}: wrote {path.stat().st_size} bytes where {spec} says {spec.nbytes}")
