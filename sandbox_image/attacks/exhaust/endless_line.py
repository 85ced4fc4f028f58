"""Prints one line that never ends: a reader that waits for its end keeps all of it."""

import os


def train(model, data, context):
    while True:
        os.write(1, b"x" * 65536)
