"""Looks for variables that somebody handed to this process or to its parents, in their own memory."""

from pathlib import Path

import kit

HARMLESS = {"LC_CTYPE", "PYTHONHASHSEED"}
"""Set by the interpreter itself, and by a room's first program: 0 in every room, so that runs can be repeated."""


def attack():
    pieces = (piece for path in Path("/proc").glob("[0-9]*/environ") for piece in kit.content(path))
    names = {entry.partition(b"=")[0].decode("utf-8", "replace") for piece in pieces for entry in piece.split(b"\0")}
    return kit.some(names - HARMLESS - {""}, "variables")
