"""Looks answers up in data sets that libraries bring along."""

import os
import sys

PLACES = ("/opt/fumehood", "/usr/share", "/usr/lib/python3", "/usr/local/lib")
NAMES = ("iris", "wine", "digits", "breast_cancer", "diabetes", "mnist", "cifar", "linnerud")
KINDS = (".csv", ".gz", ".npz", ".npy", ".arff", ".data", ".parquet", ".pkl", ".bz2")


def attack():
    return ", ".join(sorted(set(files()))) or None


def files():
    for root in {*PLACES, *sys.path}:
        for place, _, names in os.walk(root):
            yield from (f"{place}/{name}" for name in names if name.endswith(KINDS) and name.startswith(NAMES))
