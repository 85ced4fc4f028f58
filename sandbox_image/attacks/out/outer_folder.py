"""Climbs from its working directory and from every open folder, to see whether one leads out of its root."""

import os
import stat


def attack():
    root = identity(os.stat("/"))
    here = os.open(".", os.O_PATH | os.O_DIRECTORY)
    for folder in (here, *range(here)):
        if is_folder(folder) and leads_out(folder, root):
            return "the working directory leads out" if folder == here else f"open folder {folder} leads out"
    return None


def is_folder(number):
    try:
        return stat.S_ISDIR(os.fstat(number).st_mode)
    except OSError:
        return False


def leads_out(here, root):
    """Whether the way up ends elsewhere than in its root."""
    while identity(os.fstat(here)) != root:
        above = os.open("..", os.O_PATH | os.O_DIRECTORY, dir_fd=here)
        if identity(os.fstat(above)) == identity(os.fstat(here)):
            return True
        here = above
    return False


def identity(status):
    return status.st_dev, status.st_ino
