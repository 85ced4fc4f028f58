"""Changes its root, with which a jail of the same kind is left."""

import kit


def attack():
    return kit.reach(161, b"/fumehood-does-not-exist")
