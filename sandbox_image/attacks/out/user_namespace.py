"""Makes a user namespace, in which it would be root."""

import kit

CLONE_NEWUSER = 0x1000_0000


def attack():
    return kit.reach(272, CLONE_NEWUSER)
