"""What every reader of a room's bytes answers where they are not what was agreed."""


class Rejected(Exception):
    """Bytes from a room that are not what was agreed; the message says which and why."""


def shown(name: str) -> str:
    """A name from a room as it may stand in the message of a ``Rejected``."""
    return ascii(name[:80])
