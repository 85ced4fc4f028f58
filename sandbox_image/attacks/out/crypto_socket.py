"""Has the kernel compute ciphers, a part of it with a history."""

import socket

import kit


def attack():
    return kit.opened(socket.AF_ALG, socket.SOCK_SEQPACKET)
