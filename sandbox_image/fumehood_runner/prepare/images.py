"""Images in memory, as they came: pixels, and the split that each row already belongs to where the data says so."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fumehood_runner.prepare.cells import Rows

Pixels = NDArray[Any]
"""N x C x H x W, uint8 or float32; four times fewer bytes as uint8 than on the wire, so they stay that long."""


@dataclass(frozen=True)
class Images:
    pixels: Pixels
    parts: NDArray[np.int8] | None = None
    """N: index into ``split.SPLITS`` of the official split a row comes from; None where there is no official split."""
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return len(self.pixels)

    def pick(self, rows: Rows) -> "Images":
        return Images(self.pixels[rows], None if self.parts is None else self.parts[rows], self.notes)
