"""Talks to the kernel about networks, routes and audit."""

import socket

import kit


def attack():
    return kit.opened(socket.AF_NETLINK, socket.SOCK_RAW)
