"""Makes the node of a device, the machine's memory, and where that is of no use opens it."""

import os
import stat

import kit

PATH = "/tmp/fumehood-memory"


def attack():
    os.mknod(PATH, stat.S_IFCHR | 0o600, os.makedev(1, 1))
    if kit.is_the_hosts_kernel():
        return "a node for the machine's memory"
    os.close(os.open(PATH, os.O_RDONLY))
    return "the memory of a machine"
