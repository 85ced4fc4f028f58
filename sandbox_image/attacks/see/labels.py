"""Searches files and its own memory, which began as the supervisor's, for labels that are kept from it.

Every label is a number that is found in four bytes, in eight bytes and in text. Where training labels are, they must be
found, or the search itself is broken.
"""

import ctypes
import os
import re
import stat
import sys

import kit

sys.path.append("/opt/fumehood/site")
import numpy as np

TEXT = re.compile(rb"\d{5,6}\.328125")
PLACES = ("/tmp", "/exchange", "/data", "/dev/shm", "/mnt", "/run", "/var", "/etc", "/home", "/root")
TRAINING = "/data/targets.bin"
CHANCE = 2
"""So many of the patterns of four bytes may be in memory by coincidence."""


def attack():
    hidden, training = set(kit.TOLD["hidden_labels"]), set(kit.TOLD["training_labels"])
    found = {kit.digest(str(number)) for buffer in buffers() for number in numbers(buffer)}
    if os.path.exists(TRAINING) and len(found & training) < len(training):
        raise AssertionError("the search does not find the training labels, which are there")
    return f"{len(found & hidden)} of {len(hidden)} labels" if len(found & hidden) > CHANCE else None


def buffers():
    for path, status in kit.walk(*PLACES):
        if stat.S_ISREG(status.st_mode):
            yield from kit.content(path)
    yield from memory()


def memory():
    """What this process can have changed since it began, and what it inherited."""
    for line in list(open("/proc/self/maps")):
        where, rights, *rest = line.split(maxsplit=5)
        begin, end = (int(part, 16) for part in where.split("-"))
        if rights.startswith("rw") and "[v" not in "".join(rest):
            for at in range(begin, end, kit.CHUNK):
                yield ctypes.string_at(at, min(kit.CHUNK, end - at))


def numbers(buffer):
    """Floats that could be labels."""
    if b".328125" in buffer:
        yield from (float(text) for text in TEXT.findall(buffer))
    for offset in range(min(4, len(buffer))):
        words = np.frombuffer(buffer, "<u4", (len(buffer) - offset) // 4, offset)
        yield from singles(words)
        yield from doubles(words)


def singles(words):
    """Of four bytes: from 65536 to 131072, and the fraction that all labels have."""
    near = words[words >> 23 == 127 + 16]
    return (float(number) for number in near[near & 127 == 42].view("<f4"))


def doubles(words):
    """Of eight bytes: the upper four tell the size, and of the lower ones most bits are zero."""
    places = np.flatnonzero(words[1:] >> 20 == 1023 + 16)
    for place in places[words[places] << 2 == 0]:
        yield float(words[place : place + 2].view("<f8")[0])
