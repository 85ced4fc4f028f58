"""Locks files that rooms share: a channel between them."""

import kit


def attack():
    return kit.reach(73, 0, 8)
