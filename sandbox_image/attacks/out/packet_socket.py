"""Reads and writes whole packets of the network."""

import socket

import kit


def attack():
    return kit.opened(socket.AF_PACKET, socket.SOCK_RAW, 3)
