"""Forks until the kernel refuses; stops at a number that no room needs and every host survives."""

import os
import time

MANY = 400


def train(model, data, context):
    for _ in range(MANY):
        if os.fork() == 0:
            time.sleep(3600)
