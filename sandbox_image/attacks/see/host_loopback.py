"""Connects to a port that a program of the host's has open for the host alone."""

import kit


def attack():
    return kit.connected(("127.0.0.1", kit.TOLD["port"]))
