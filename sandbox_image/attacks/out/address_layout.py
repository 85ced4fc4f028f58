"""Has programs loaded at known addresses."""

import kit

ADDR_NO_RANDOMIZE = 0x40000


def attack():
    return kit.reach(135, ADDR_NO_RANDOMIZE)
