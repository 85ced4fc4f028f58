"""Searches the whole file system for programs that would run as somebody else, or with capabilities."""

import os
import stat

import kit


def attack():
    return kit.some((path for path, status in kit.all_files() if raises(path, status)), "programs that raise rights")


def raises(path, status):
    if not stat.S_ISREG(status.st_mode):
        return False
    return status.st_mode & (stat.S_ISUID | stat.S_ISGID) or has_capabilities(path)


def has_capabilities(path):
    try:
        return bool(os.getxattr(path, "security.capability"))
    except OSError:
        return False
