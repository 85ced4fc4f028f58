"""Copies memory out of the room's first process: a constant that both have in the same place."""

import ctypes
import sys

import kit


def attack():
    pointer = ctypes.c_ulong * 2
    here, there = ctypes.create_string_buffer(8), pointer(id(sys.version), 8)
    into = pointer(ctypes.addressof(here), 8)
    read = kit.call(310, 1, ctypes.addressof(into), 1, ctypes.addressof(there), 1, 0)
    return f"{read} bytes of process 1"
