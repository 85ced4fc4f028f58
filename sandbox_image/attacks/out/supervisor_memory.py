"""Opens the memory of the room's first process as a file."""

import kit


def attack():
    return kit.written("/proc/1/mem")
