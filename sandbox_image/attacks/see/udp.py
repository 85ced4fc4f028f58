"""Sends datagrams to addresses on the internet that always answer."""

import socket

import kit

QUESTION = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01"


def attack():
    return kit.answered(socket.AF_INET, ("1.1.1.1", 53), QUESTION)
