"""Opens devices: memory, disks, consoles, virtual machines, graphics cards."""

import os
import stat

import kit

ROOMS_OWN = {"full", "null", "random", "tty", "urandom", "zero", "console", "ptmx"}
EMULATED = {"fuse", "tun"}
"""By gVisor, for its own processes."""


def attack():
    harmless = ROOMS_OWN if kit.is_the_hosts_kernel() else ROOMS_OWN | EMULATED
    devices = (path for path, status in kit.walk("/dev", skip=("/dev/pts",)) if is_device(status))
    return kit.some((path for path in devices if path.rpartition("/")[2] not in harmless and opens(path)), "devices")


def is_device(status):
    return stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)


def opens(path):
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True
