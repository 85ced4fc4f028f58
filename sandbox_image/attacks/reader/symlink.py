"""A symbolic link where the weights are expected: followed, it gives the reader's own files away."""

import os


def arrange(handover):
    os.remove(f"{handover}/seed-0/weights.safetensors")
    os.symlink("/etc/passwd", f"{handover}/seed-0/weights.safetensors")
