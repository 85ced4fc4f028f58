"""Runs a program that is in no file, where nothing says that it may not be run."""

import os
from pathlib import Path

import kit


def attack():
    return kit.reached(run)


def run():
    handle = os.memfd_create("fumehood", 0)
    os.write(handle, Path("/bin/true").read_bytes())
    os.waitpid(os.posix_spawn(f"/proc/self/fd/{handle}", ["fumehood"], {}), 0)
