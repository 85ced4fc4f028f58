"""Shares memory under a number that every process can know."""

import kit


def attack():
    return kit.reach(29, 0, 4096, 0o1600)
