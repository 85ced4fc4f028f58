"""Looks at what the room's first process was given and where it is, and writes to its standard streams.

By those it hears and speaks to the controller. Its other pipes carry what workers print, which they do anyway, and its
address layout is the one that every worker, a fork of it, has too.
"""

import os

import kit


def attack():
    found = [path for path in ("/proc/1/exe", "/proc/1/cwd", "/proc/1/root", "/proc/1/ns/mnt") if leads_somewhere(path)]
    found += [path for path in ("/proc/1/environ", "/proc/1/task/1/environ") if kit.variables(path)]
    found += [path for path in (f"/proc/1/fd/{number}" for number in range(3)) if takes_words(path)]
    return kit.some(found, "of process 1")


def leads_somewhere(link):
    try:
        return bool(os.readlink(link))
    except OSError:
        return False


def takes_words(path):
    """Whether it can be written to, and does not lead to nothing."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        os.write(handle, b"\n")
    except OSError:
        return False
    return os.fstat(handle).st_rdev != os.stat("/dev/null").st_rdev
