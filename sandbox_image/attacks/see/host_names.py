"""Looks for the host's name and its user's where the kernel and the engine tell of names."""

import os
import re

import kit

FILES = (
    "/proc/cmdline", "/proc/version", "/proc/self/mountinfo", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf",
    "/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname",
)  # fmt: skip


def attack():
    if kit.digest(os.uname().nodename) == kit.TOLD["host_name"]:
        return "the host's name is its own"
    texts = {path: text_of(path) for path in FILES} | {"uname": " ".join(os.uname())}
    return kit.some((path for path, text in texts.items() if names_in(text)), "places with a name of the host's")


def text_of(path):
    return b"".join(kit.content(path)).decode("utf-8", "replace")


def names_in(text):
    words = set(re.findall(r"[\w-]+", text)) | set(text.split())
    return any(kit.digest(word) in kit.TOLD["names"] for word in words)
