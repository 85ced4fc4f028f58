"""Opens files of the host's disk by number, past every mount."""

import kit


def attack():
    return kit.reach(304, -1, 0, 0)
