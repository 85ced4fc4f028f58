"""Reads and writes the raw arrays of a job: little-endian values in C order, without a header.

Always holds: a file whose size does not match its specification is refused before a byte of it is used. It knows
nothing of candidates; a wrong file here is the controller's mistake, so it raises ``ArrayError`` and the worker dies.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from fumehood_shared.messages import ArraySpec

_DTYPES: Final[Mapping[str, np.dtype[Any]]] = {"float32": np.dtype("<f4"), "int64": np.dtype("<i8")}


class ArrayError(Exception):
    """An array file is missing or is not what the request says it is."""


def read_array(path: Path, spec: ArraySpec, order: Tensor | None = None) -> Tensor:
    """The array in ``path``, its rows picked in ``order`` (int64 N) where that is given; a private copy."""
    size = path.stat().st_size if path.is_file() else None
    if size != spec.nbytes:
        raise ArrayError(f"{path} should hold {spec.nbytes} bytes of {spec.dtype} {spec.shape}, found {size}")
    if size == 0:
        return torch.from_numpy(np.zeros(spec.shape, _DTYPES[spec.dtype]))
    mapped = np.memmap(path, _DTYPES[spec.dtype], mode="r", shape=spec.shape)
    return torch.from_numpy(np.array(mapped) if order is None else np.asarray(mapped[order.numpy()]))


def write_float32(path: Path, values: Tensor) -> None:
    """Write ``values`` as raw little-endian float32."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values.to("cpu", torch.float32).contiguous().numpy().astype("<f4", copy=False).tofile(path)
