"""Resolves a name: what can be looked up can also be told, as part of the name."""

import socket


def attack():
    return f"example.org is {socket.gethostbyname('example.org')}"
