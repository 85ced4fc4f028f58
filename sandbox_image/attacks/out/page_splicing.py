"""Gives pages of its own to a pipe, as several ways into the kernel began."""

import kit


def attack():
    return kit.reach(278, -1, 0, 0, 0)
