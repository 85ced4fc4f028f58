"""Looks whether it is root, in root's group, or somebody whom the image knows."""

import os
import pwd


def attack():
    if 0 in (*os.getresuid(), *os.getresgid(), *os.getgroups()):
        return f"root: {os.getresuid()} {os.getresgid()} {os.getgroups()}"
    known = {entry.pw_uid for entry in pwd.getpwall()}
    return f"uid {os.getuid()}, an account of the image" if os.getuid() in known else None
