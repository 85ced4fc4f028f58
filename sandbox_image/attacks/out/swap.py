"""Has memory written to a disk that does not exist."""

import kit


def attack():
    return kit.reach(167, b"/fumehood-does-not-exist", 0)
