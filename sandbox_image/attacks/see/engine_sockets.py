"""Searches the whole file system for sockets, those of container engines among them, and connects to them."""

import socket
import stat

import kit


def attack():
    sockets = [path for path, status in kit.all_files() if stat.S_ISSOCK(status.st_mode)]
    return kit.some(filter(answers, sockets), "sockets that answer")


def answers(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(2.0)
        try:
            asking.connect(path)
        except OSError:
            return False
    return True
