"""Opens the file by which a letter restarts the machine. Writes no letter."""

import os


def attack():
    os.close(os.open("/proc/sysrq-trigger", os.O_WRONLY))
    return "the kernel takes requests"
