"""Reads how large the kernel's log is, which tells addresses."""

import kit


def attack():
    return kit.reach(103, 10, 0, 0)
