"""A report of success and no weights."""

import os


def arrange(handover):
    os.remove(f"{handover}/seed-0/weights.safetensors")
