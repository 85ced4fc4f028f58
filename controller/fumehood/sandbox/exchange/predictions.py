"""Raw float32 numbers from a file that a room left: as many as agreed, and all of them finite."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from fumehood.sandbox.exchange.rejected import Rejected

_ITEM_BYTES = 4


def read_predictions(path: Path, rows: int, columns: int) -> npt.NDArray[np.float32]:
    """The float32 array of shape (rows, columns) in ``path``; Rejected if a number is not finite."""
    size, agreed = path.stat().st_size, rows * columns * _ITEM_BYTES
    if size != agreed:
        raise Rejected(f"predictions have {size} bytes, {agreed} agreed")
    array = np.fromfile(path, dtype="<f4", count=rows * columns).reshape(rows, columns)
    bad = int((~np.isfinite(array)).any(axis=1).sum())
    if bad:
        raise Rejected(f"{bad} of {rows} predictions are NaN or infinite")
    return array
