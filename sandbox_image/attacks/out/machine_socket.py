"""Talks to the machine that this machine runs on."""

import socket

import kit


def attack():
    return kit.opened(socket.AF_VSOCK, socket.SOCK_STREAM)
