"""Makes system calls through a queue, past a filter."""

import kit


def attack():
    return kit.reach(425, 0, 0)
