"""Opens a connection by the newer protocol, which rules for the older one do not bind."""

import kit


def attack():
    return kit.connected(("2606:4700:4700::1111", 443))
