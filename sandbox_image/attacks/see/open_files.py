"""Looks for open files that were left to it, beside its standard streams."""

import os

import kit


def attack():
    return kit.some((told for number in range(3, 4096) if (told := left(number))), "open files")


def left(number):
    """What a descriptor is, if it is none that this program opened for itself."""
    try:
        path = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return None
    return None if path.startswith(("pipe:", "/dev/null")) else f"{number} {path}"
