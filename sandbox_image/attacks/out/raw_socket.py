"""Writes packets with headers of its own."""

import socket

import kit


def attack():
    return kit.opened(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
