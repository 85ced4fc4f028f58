"""The same prediction for every row: worthless, and in order."""

import numpy as np

ROWS: int
COLUMNS: int


def arrange(out):
    np.full((ROWS, COLUMNS), 0.0, "<f4").tofile(f"{out}/seed-0/predictions.bin")
