"""Puts another folder in the place of the root, one that does not exist."""

import kit


def attack():
    return kit.reach(155, b"/fumehood-does-not-exist", b"/tmp")
