"""Connects to where clouds hand credentials to the machines that run there."""

import kit


def attack():
    return kit.connected(("169.254.169.254", 80), ("169.254.170.2", 80), ("100.100.100.200", 80), ("fd00:ec2::254", 80))
