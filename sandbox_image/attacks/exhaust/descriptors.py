"""Opens files until the table is full."""

import os

MANY = 8192


def attack():
    for _ in range(MANY):
        os.open("/dev/null", os.O_RDONLY)
    return f"{MANY} open files"
