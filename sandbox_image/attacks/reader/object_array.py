"""Predictions as a NumPy file of objects: whoever loads it runs what it says."""

import os

import numpy as np


class Command:
    def __reduce__(self):
        return os.system, ("touch /tmp/fumehood-was-here",)


def arrange(out):
    with open(f"{out}/seed-0/predictions.bin", "wb") as file:
        np.save(file, np.array([Command()], dtype=object), allow_pickle=True)
