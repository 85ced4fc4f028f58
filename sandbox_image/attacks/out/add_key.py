"""Has the kernel keep a key: a budget, and a channel to other rooms."""

import kit


def attack():
    return kit.reach(248, 0, 0, 0, 0, 0)
