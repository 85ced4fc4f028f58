"""A folder where the weights are expected."""

import os


def arrange(out):
    os.remove(f"{out}/seed-0/weights.safetensors")
    os.mkdir(f"{out}/seed-0/weights.safetensors")
