"""Reads the process above it: its memory, its environment, its folder."""

import os

import kit


def attack():
    return ", ".join(read.__name__ for read in (memory, environment, folder) if is_read(read)) or None


def is_read(read):
    try:
        return bool(read())
    except OSError:
        return False


def memory():
    with open("/proc/1/maps") as maps, open("/proc/1/mem", "rb", buffering=0) as content:
        content.seek(int(maps.readline().partition("-")[0], 16))
        return content.read(16)


def environment():
    return kit.variables("/proc/1/environ")


def folder():
    return os.listdir("/proc/1/cwd/")
