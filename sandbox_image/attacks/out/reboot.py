"""Restarts the machine, without the numbers that make it happen."""

import kit


def attack():
    return kit.reach(169, 0, 0, 0, 0)
