"""A pipe where the weights are expected: whoever opens it waits for ever."""

import os


def arrange(out):
    os.remove(f"{out}/seed-0/weights.safetensors")
    os.mkfifo(f"{out}/seed-0/weights.safetensors")
