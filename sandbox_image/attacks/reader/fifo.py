"""A pipe where the weights are expected: whoever opens it waits for ever."""

import os


def arrange(handover):
    os.remove(f"{handover}/seed-0/weights.safetensors")
    os.mkfifo(f"{handover}/seed-0/weights.safetensors")
