"""A device where the weights are expected; this one is empty, another one could be the host's disk."""

import os
import stat


def arrange(handover):
    os.remove(f"{handover}/seed-0/weights.safetensors")
    os.mknod(f"{handover}/seed-0/weights.safetensors", stat.S_IFCHR | 0o600, os.makedev(1, 3))
