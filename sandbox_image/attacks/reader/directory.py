"""A folder where the weights are expected."""

import os


def arrange(handover):
    os.remove(f"{handover}/seed-0/weights.safetensors")
    os.mkdir(f"{handover}/seed-0/weights.safetensors")
