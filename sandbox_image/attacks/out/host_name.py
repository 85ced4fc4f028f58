"""Renames the machine, with a name longer than any."""

import kit


def attack():
    return kit.reach(170, b"", 1000)
