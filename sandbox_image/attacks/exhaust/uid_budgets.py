"""Uses up what the kernel grants to a user id and not to a container: inotify instances, keys, pages in pipes.

Prints what it got, and holds it until it is told to go on: another room does the same meanwhile.
"""

import ctypes
import fcntl
import os
import time
from pathlib import Path

CHILDREN, PIPES = 6, 250
FULL = 65_536
F_GETPIPE_SZ = 1032
TAKEN, GO_ON = Path("/exchange/out/taken"), Path("/exchange/continue")
ADD_KEY, USER_KEYRING = 248, -4


def train(model, data, context):
    print("inotify instances:", many(lambda _: ctypes.CDLL(None).inotify_init1(0)), flush=True)
    print("keys:", many(add_key), flush=True)
    print("full pipes:", sum(full_pipes() for _ in range(CHILDREN)), flush=True)
    TAKEN.touch()
    while not GO_ON.exists():
        time.sleep(0.05)
    TAKEN.unlink()


def many(get):
    """How many of at most 200 were granted."""
    for number in range(200):
        if get(number) < 0:
            return number
    return 200


def add_key(number):
    name = b"fumehood-%d" % number
    return ctypes.CDLL(None).syscall(ADD_KEY, b"user", name, name, len(name), USER_KEYRING)


def full_pipes():
    """A child holds as many pipes as it may open; how many of them have the usual size."""
    read, write = os.pipe()
    if os.fork() == 0:
        sizes = [fcntl.fcntl(os.pipe()[1], F_GETPIPE_SZ) for _ in range(PIPES)]
        os.write(write, b"%d\n" % sum(size >= FULL for size in sizes))
        time.sleep(3600)
    return int(os.read(read, 100))
