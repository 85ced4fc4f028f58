"""Looks for the labels of the rows it is asked in every file, in other processes' memory and in the environment.

It knows what they look like: as many small whole numbers as there are rows. It raises what it finds.
"""

import os
import struct

FOLDERS = ("/exchange", "/data", "/dev/shm", "/tmp", "/run", "/mnt", "/srv")
LEAST = 100


def predict(model, inputs):
    if len(inputs) == 2:  # a model is tried on two rows first, where it was trained as well
        return honest_predict(model, inputs)
    found = [*files(), *memories(), *variables()]
    assert not found, found
    return honest_predict(model, inputs)


def files():
    for folder in FOLDERS:
        for place, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(place, name)
                if os.path.getsize(path) < 2**20 and is_labels(open(path, "rb").read()):
                    yield path


def memories():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) != os.getpid():
            try:
                open(f"/proc/{pid}/mem", "rb").close()
                if pid == "1":
                    yield f"the memory of process {pid}"
            except OSError:
                continue


def variables():
    return [name for name in os.environ if "label" in name.lower() or "target" in name.lower()]


def is_labels(content):
    if len(content) < 8 * LEAST or len(content) % 8:
        return False
    numbers = set(struct.unpack(f"<{len(content) // 8}q", content))
    return len(numbers) > 1 and min(numbers) >= 0 and max(numbers) < 10
