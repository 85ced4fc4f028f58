"""Gives the kernel a program to run, with a command that does not exist."""

import kit


def attack():
    return kit.reach(321, 999, 0, 0)
