"""Asks for the machine's input and output ports."""

import kit


def attack():
    return kit.reach(172, 1)
