"""Mounts a file system of a kind that does not exist."""

import kit


def attack():
    return kit.reach(165, b"none", b"/tmp", b"fumehood", 0, 0)
