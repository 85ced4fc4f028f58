"""Fills /tmp, which is memory of the host."""

from pathlib import Path

MANY = 64


def attack():
    with Path("/tmp/full").open("wb", buffering=0) as file:
        file.writelines(bytes(2**20) for _ in range(MANY))
    return f"{MANY} MiB"
