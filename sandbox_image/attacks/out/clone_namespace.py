"""Starts a process in a user namespace of its own."""

import os

import kit

CLONE_NEWUSER, SIGCHLD = 0x1000_0000, 17


def attack():
    return kit.reached(start)


def start():
    if kit.call(56, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0) == 0:
        os._exit(0)
