"""Looks for the host's kernel with no filter of system calls before it."""

import kit


def attack():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
    if kit.is_the_hosts_kernel() and lines["Seccomp"].strip() != "2":
        return "the host's kernel, unfiltered"
    return None
