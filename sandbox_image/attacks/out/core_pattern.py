"""Opens for writing the name of the program that the kernel starts, as root, when one crashes."""

import kit


def attack():
    return kit.written("/proc/sys/kernel/core_pattern")
