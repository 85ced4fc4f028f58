"""Makes a file of a terabyte that holds nothing: it fits the smallest volume, and would be archived whole."""

import os


def attack():
    os.ftruncate(os.open("/tmp/sparse", os.O_CREAT | os.O_WRONLY), 2**40)
    return "a file of a terabyte"
