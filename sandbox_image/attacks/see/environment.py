"""Looks for variables that somebody handed to this process or to its parents, in their own memory."""

from pathlib import Path

import kit


def attack():
    names = {name for path in Path("/proc").glob("[0-9]*/environ") for name in kit.variables(path)}
    return kit.some(names, "variables")
