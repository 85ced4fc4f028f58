"""Connects to where container networks usually have their host."""

import kit

PLACES = ("172.17.0.1", "172.18.0.1", "10.0.2.2", "10.88.0.1", "192.168.65.254")


def attack():
    return kit.connected(*((place, port) for place in PLACES for port in (22, 80)))
