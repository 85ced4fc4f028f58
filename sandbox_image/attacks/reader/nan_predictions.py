"""Predictions that are no numbers."""

import numpy as np

ROWS: int
COLUMNS: int


def arrange(out):
    np.full((ROWS, COLUMNS), np.nan, "<f4").tofile(f"{out}/seed-0/predictions.bin")
