"""Asks to be root."""

import os


def attack():
    os.setgid(0)
    os.setuid(0)
    return f"uid {os.getuid()}"
