"""A report of success and no weights."""

import os


def arrange(out):
    os.remove(f"{out}/seed-0/weights.safetensors")
