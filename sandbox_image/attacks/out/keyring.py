"""Asks for the keys that the kernel keeps for its user."""

import kit


def attack():
    return kit.reach(250, 0, -3, 0, 0, 0)
