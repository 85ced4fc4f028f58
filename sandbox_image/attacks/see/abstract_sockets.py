"""Looks for sockets without a path, as container shims have them, and connects to one that is known to be there."""

import socket

import kit


def attack():
    listed = [line.split()[-1] for line in open("/proc/net/unix").readlines()[1:] if "@" in line]
    if listed:
        return kit.some(listed, "sockets without a path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.connect(f"\0{kit.TOLD['abstract']}")
    return "a socket of the host's took a connection"
