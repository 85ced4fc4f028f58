"""Predictions without end."""

import numpy as np

ROWS: int
COLUMNS: int


def arrange(out):
    np.full((ROWS, COLUMNS), np.inf, "<f4").tofile(f"{out}/seed-0/predictions.bin")
