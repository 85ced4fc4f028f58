"""Looks whether a program could gain rights that this one has not."""

import kit


def attack():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
    if kit.is_the_hosts_kernel() and lines["NoNewPrivs"].strip() != "1":
        return "no-new-privileges is off"
    return None
