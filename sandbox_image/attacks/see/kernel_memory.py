"""Reads the kernel's own memory."""


def attack():
    with open("/proc/kcore", "rb") as file:
        return f"{len(file.read(64))} bytes of the kernel's memory"
