"""A symbolic link where the weights are expected: followed, it gives the reader's own files away."""

import os


def arrange(out):
    os.remove(f"{out}/seed-0/weights.safetensors")
    os.symlink("/etc/passwd", f"{out}/seed-0/weights.safetensors")
