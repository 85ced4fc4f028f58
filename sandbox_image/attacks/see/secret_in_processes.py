"""Reads the environment and the command line of every process it can see for a secret that one on the host has."""

from pathlib import Path

import kit


def attack():
    files = (path / name for path in Path("/proc").glob("[0-9]*") for name in ("environ", "cmdline"))
    return kit.some(
        (path for path in files if any(map(kit.has_secret, kit.content(path)))), "processes with the secret"
    )
