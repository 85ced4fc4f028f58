"""Prints lines without end, as fast as they are taken."""

import os


def train(model, data, context):
    lines = b"a line of a flood\n" * 4096
    while True:
        os.write(1, lines)
