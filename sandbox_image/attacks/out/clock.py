"""Sets the clock of the host, to a time that is none."""

import kit


def attack():
    return kit.reach(164, 1, 0)
