"""Talks to another room through a file that both may read: one locks it, or opens it while the other one listens.

Prints, as far as it could tell, whether it found the file free and heard nothing of it; holds the lock and listens
until it is told to go on.
"""

import ctypes
import fcntl
import os
import time
from pathlib import Path

TAKEN, GO_ON = Path("/exchange/out/taken"), Path("/exchange/continue")
FILE = "/data/inputs.bin"
IN_ACCESS_OR_OPEN = 0x21
LIBC = ctypes.CDLL(None)


def train(model, data, context):
    handle = os.open(FILE, os.O_RDONLY)
    print("free files:", int(is_free(handle)), flush=True)
    ear = LIBC.inotify_init1(os.O_NONBLOCK)
    LIBC.inotify_add_watch(ear, FILE.encode(), IN_ACCESS_OR_OPEN)
    TAKEN.touch()
    while not GO_ON.exists():
        time.sleep(0.05)
    TAKEN.unlink()
    print("silent files:", int(is_silent(ear)), flush=True)


def is_free(handle):
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def is_silent(ear):
    try:
        return not os.read(ear, 4096)
    except OSError:
        return True
