"""Weights with a hole as large as the room lets a file be: nothing on its disk, everything on the reader's."""

import os


def arrange(handover):
    size = 2**40
    while size > 2**20:
        try:
            os.truncate(f"{handover}/seed-0/weights.safetensors", size)
        except OSError:
            size //= 2
        else:
            return
