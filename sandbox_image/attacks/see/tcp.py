"""Opens TCP connections to addresses on the internet that always answer."""

import kit


def attack():
    return kit.connected(("1.1.1.1", 443), ("8.8.8.8", 53))
