"""The secret order of rows. Every array enters a room shuffled by a key of the run that no room ever sees.

Position alone gives labels away: iris is sorted by species, and a public split of it is too. An order is the stable
sort of N 64-bit numbers read from SHAKE-256 (FIPS 202) over HMAC-SHA-256(key, purpose). A random generator of NumPy's
would do, but its streams may change between versions, and a resumed run must find the same order again; and orders of
different purposes must tell nothing about each other. ``order[i]`` is the row of the data set that a room sees as
its ``i``-th.
"""

import hashlib
import hmac
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fumehood.errors import InternalError
from fumehood_shared.messages import ArraySpec

Order = NDArray[np.int64]
Scalar = TypeVar("Scalar", bound=np.generic)

_CHUNK_BYTES = 16 * 1024 * 1024
_WIDE_BYTES = 1024
"""From here on, reading a row takes longer than asking for it."""
DTYPES = {"float32": "<f4", "int64": "<i8"}


def permutation(key: bytes, purpose: str, n: int) -> Order:
    """A permutation of ``range(n)`` that depends on ``key`` and ``purpose`` alone; int64, N."""
    seed = hmac.digest(key, purpose.encode(), "sha256")
    drawn = np.frombuffer(hashlib.shake_256(seed).digest(8 * n), dtype="<u8")
    return np.argsort(drawn, kind="stable").astype(np.int64)


def number(key: bytes, purpose: str) -> int:
    """A number below 2**48 that depends on ``key`` and ``purpose`` alone."""
    return int.from_bytes(hmac.digest(key, purpose.encode(), "sha256")[:6], "big")


def key_of_fold(key: bytes, fold: int) -> bytes:
    """A key for the orders of a fold, from 1: no room sees the same rows in the order in which another fold's does."""
    return hmac.digest(key, f"fold {fold}".encode(), "sha256")


def permute_file(source: Path, destination: Path, spec: ArraySpec, order: Order) -> None:
    """Write the rows of ``source`` to the new file ``destination`` (mode 0600), row ``order[i]`` in place ``i``.

    :raises InternalError: if the file's size is not what ``spec`` says, or ``order`` is no permutation of its rows.
    """
    _check(source, spec, order)
    with open(destination, "xb", opener=_private) as file:
        file.writelines(block.data for block in blocks(source, spec, order))


def blocks(source: Path, spec: ArraySpec, chosen: Order) -> Iterator[NDArray[Any]]:
    """The rows of ``source`` that are ``chosen``, in that order, some at a time; a block is gone with the next one.

    Wide rows are read one by one: a map of the file, read in a random order, would come to lie in memory as a whole.
    Raises InternalError if the file's size is not what ``spec`` says.
    """
    expect_size(source, spec)
    if spec.nbytes == 0:
        return
    width = spec.nbytes // spec.shape[0]
    step = max(1, _CHUNK_BYTES // width)
    kind = np.dtype(DTYPES[spec.dtype])
    if width < _WIDE_BYTES:
        mapped: NDArray[Any] = np.memmap(source, dtype=kind, mode="r", shape=spec.shape)
        for start in range(0, len(chosen), step):
            yield np.ascontiguousarray(mapped[chosen[start : start + step]])
        return
    block = memoryview(bytearray(min(step, len(chosen)) * width))
    with source.open("rb") as file:
        for start in range(0, len(chosen), step):
            rows = chosen[start : start + step].tolist()
            for place, row in enumerate(rows):
                if os.preadv(file.fileno(), [block[place * width : (place + 1) * width]], row * width) != width:
                    raise InternalError(f"{source.name} became shorter while it was read")
            yield np.frombuffer(block[: len(rows) * width], dtype=kind).reshape(len(rows), *spec.shape[1:])


def unpermute(array: NDArray[Scalar], order: Order) -> NDArray[Scalar]:
    """Rows as a room saw them -> rows in the data set's own order; the inverse of ``array[order]``."""
    if len(array) != len(order):
        raise InternalError(f"{len(array)} rows cannot be put back in an order of {len(order)}")
    restored = np.empty_like(array)
    restored[order] = array
    return restored


def _check(source: Path, spec: ArraySpec, order: Order) -> None:
    expect_size(source, spec)
    if not np.array_equal(np.sort(order), np.arange(spec.shape[0])):
        raise InternalError(f"the order of {source.name} is no permutation of its {spec.shape[0]} rows")


def expect_size(source: Path, spec: ArraySpec) -> None:
    """Raise InternalError if the file's size is not what ``spec`` says."""
    size = source.stat().st_size
    if size != spec.nbytes:
        raise InternalError(f"{source.name} has {size} bytes, and {spec.dtype} {spec.shape} takes {spec.nbytes}")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
