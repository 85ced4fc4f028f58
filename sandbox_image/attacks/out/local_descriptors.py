"""Changes the table of memory segments, a part of the kernel with a history."""

import kit


def attack():
    return kit.reach(154, 0, 0, 0)
