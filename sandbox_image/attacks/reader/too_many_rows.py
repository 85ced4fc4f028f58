"""Predictions for one row more than was asked."""

import numpy as np

ROWS: int
COLUMNS: int


def arrange(out):
    np.full((ROWS + 1, COLUMNS), 0.0, "<f4").tofile(f"{out}/seed-0/predictions.bin")
