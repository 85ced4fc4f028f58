"""Makes a network out of the container's own loopback: the addresses that probes try are its own, and it answers there.

No packet leaves the container.
"""

import contextlib
import fcntl
import os
import socket
import struct
import time

ADDRESSES = ("1.1.1.1", "172.17.0.1", "169.254.169.254")
SIXTH = "2606:4700:4700::1111"
SIOCSIFADDR = 0x8916


def give_addresses():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for number, address in enumerate(ADDRESSES):
            place = struct.pack("<HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(asking, SIOCSIFADDR, struct.pack("16s16s", f"lo:{number}".encode(), place))
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asking:
        place = socket.inet_pton(socket.AF_INET6, SIXTH) + struct.pack("<Ii", 128, socket.if_nametoindex("lo"))
        fcntl.ioctl(asking, SIOCSIFADDR, place)


def listen(port):
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", port))
    listener.listen()
    return listener


def answer(port):
    """Every question for a name with the same address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as answering:
        answering.bind(("", port))
        while True:
            question, sender = answering.recvfrom(512)
            head = question[:2] + b"\x81\x80" + question[4:6] + b"\x00\x01\x00\x00\x00\x00"
            end = question.index(b"\x00", 12) + 5
            record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x01\x01\x01\x01"
            answering.sendto(head + question[12:end] + record, sender)


give_addresses()
LISTENERS = [listen(port) for port in (80, 443)]
for _ in range(100):  # the kernel takes a moment to make an address its own
    try:
        LISTENERS.append(socket.create_server((SIXTH, 443), family=socket.AF_INET6))
        break
    except OSError:
        time.sleep(0.02)
if os.fork() == 0:
    answer(53)
