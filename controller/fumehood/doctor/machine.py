"""The machine we run on: its disks, and what its kernel does when a program crashes."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fumehood.doctor.check import GIB, Check, gib
from fumehood.sandbox.host import state_folder


def checks(cwd: Path) -> Iterator[Check]:
    """What a run in the folder ``cwd`` writes to."""
    yield disk_check("disk of this folder", cwd, enough=2 * GIB, needed=GIB // 4)
    yield state_check()


def disk_check(name: str, folder: Path, *, enough: int, needed: int) -> Check:
    """Free bytes where ``folder`` lies: a warning below ``enough``, a failure below ``needed``."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check(
            name=name, status="warn", seen=f"{folder}: {error.strerror}", hint="look at its free space yourself"
        )
    seen = f"{gib(free)} free at {folder}"
    if free < needed:
        return Check(
            name=name, status="fail", seen=seen, hint=f"make room: {gib(needed)} at least, {gib(enough)} better"
        )
    if free < enough:
        return Check(name=name, status="warn", seen=seen, hint=f"make room: {gib(enough)} leaves some for many runs")
    return Check(name=name, status="ok", seen=seen)


def state_check() -> Check:
    """Can locks and the ledger of openings be written?"""
    try:
        folder = state_folder()
        with tempfile.TemporaryFile(dir=folder):
            return Check(name="state folder", status="ok", seen=f"{folder} is writable")
    except OSError as error:
        seen = f"{error.filename or 'it'} cannot be written: {error.strerror or error}"
        return Check(name="state folder", status="fail", seen=seen, hint="give permission, or set XDG_STATE_HOME")


def core_pattern_check(pattern: str) -> Check:
    """No limit of a room stops a pipe in the kernel's core pattern: it runs as root, outside every room."""
    if not pattern.startswith("|"):
        return Check(name="core dumps", status="ok", seen="not piped to a program")
    seen = f"piped to {pattern[1:].split()[0] if pattern[1:].split() else 'a program'}"
    hint = "a crash in a room starts that program on the host: sysctl -w kernel.core_pattern=core"
    return Check(name="core dumps", status="warn", seen=seen, hint=hint)
