"""Has another kernel started, with flags that do not exist."""

import kit


def attack():
    return kit.reach(246, 0, 0, 0, 0xFFFF)
