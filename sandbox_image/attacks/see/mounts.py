"""Reads the mount table for anything beside the room's own."""

import kit

OWN = ("/", "/tmp", "/exchange", "/handover", "/data", "/dev/shm", "/dev/pts", "/dev/mqueue", "/dev")
ENGINE = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")
VIEWS = {"proc", "sysfs", "cgroup", "cgroup2", "tmpfs"}


def attack():
    rows = (line.split() for line in open("/proc/self/mountinfo"))
    return kit.some((row[4] for row in rows if not expected(row[4], row[row.index("-") + 1])), "more mounts")


def expected(path, kind):
    if path == "/dev/console" or path in OWN or path in ENGINE:
        return True
    return path.startswith(("/proc", "/sys")) and kind in VIEWS
