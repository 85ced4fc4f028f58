"""Measures other programs, and the kernel, by performance counters."""

import kit


def attack():
    return kit.reach(298, 0, 0, -1, -1, 0)
