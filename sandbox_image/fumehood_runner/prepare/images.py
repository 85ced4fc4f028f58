"""Images in memory, with their pixels as they came."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from fumehood_runner.prepare.cells import Rows

Pixels = NDArray[Any]
"""N x C x H x W, uint8 or float32; four times fewer bytes as uint8 than on the wire, so they stay that long."""


@dataclass(frozen=True)
class Images:
    pixels: Pixels

    @property
    def rows(self) -> int:
        return len(self.pixels)

    def pick(self, rows: Rows) -> "Images":
        return Images(self.pixels[rows])
