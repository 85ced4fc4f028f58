"""Handles page faults itself, which makes races of the kernel's winnable."""

import kit


def attack():
    return kit.reach(323, 1)
