"""Reserves half a gibibyte without writing a byte of it."""

import os

MANY = 2**29


def attack():
    os.posix_fallocate(os.open("/tmp/reserved", os.O_CREAT | os.O_WRONLY), 0, MANY)
    return f"{MANY} bytes"
