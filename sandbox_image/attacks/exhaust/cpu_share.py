"""Computes in eight processes at once for a while."""

import os
import time

SECONDS = 2.0


def train(model, data, context):
    children = []
    for _ in range(8):
        child = os.fork()
        if child == 0:
            spin()
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def spin():
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        pass
