"""Looks for a network interface beside the loopback one."""

import kit


def attack():
    names = {line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]}
    return kit.some(names - {"lo"}, "interfaces")
