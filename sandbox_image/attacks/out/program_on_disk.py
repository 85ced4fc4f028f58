"""Runs a program that it wrote itself, in every place that it can write."""

import os
import shutil

import kit

PLACES = ("/tmp", "/exchange", "/dev/shm")


def attack():
    return kit.first([lambda place=place: kit.reached(lambda: run_in(place)) for place in PLACES])


def run_in(place):
    path = shutil.copy("/bin/true", f"{place}/fumehood-program")
    os.chmod(path, 0o700)
    os.waitpid(os.posix_spawn(path, [path], {}), 0)
