"""A result of a gigabyte, or of as much as the room lets a file be."""

import os


def arrange(out):
    size = 2**30
    while size > 2**20:
        try:
            os.truncate(f"{out}/result.json", size)
        except OSError:
            size = size * 3 // 4
        else:
            return
