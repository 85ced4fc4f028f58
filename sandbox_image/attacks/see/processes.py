"""Looks for processes beside itself, those it descends from, and their other children."""

import os
from pathlib import Path

import kit


def attack():
    seen = {int(path.name) for path in Path("/proc").glob("[0-9]*")}
    own = {1, os.getpid(), os.getppid()}
    return kit.some(seen - own, "processes of others")
