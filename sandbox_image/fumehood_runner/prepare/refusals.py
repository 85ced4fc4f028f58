"""How our loader says that it cannot use a data set: one exception, and texts that are safe to show.

Always holds: a message fits ``caps.MESSAGE_CHARS`` and every string of the user's in it is clipped and printable.
Column names and cells come from a file that nobody has vetted, so none of them enters a message but through here.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from fumehood_shared import caps
from fumehood_shared.messages import Refusal, RefusalKind

_NAME_CHARS = 40


class Refused(Exception):
    """Raised anywhere in the loader; the two entry functions turn it into a ``Refusal``."""

    def __init__(self, kind: RefusalKind, message: str) -> None:
        super().__init__(message)
        self.refusal = Refusal(kind=kind, message=fitting(message))


def fitting(message: str) -> str:
    """``message`` cut at the end to what the wire allows."""
    return message if len(message) <= caps.MESSAGE_CHARS else message[: caps.MESSAGE_CHARS - 1] + "…"


def printable(text: str) -> str:
    """``text`` with everything but ordinary characters and spaces replaced by U+FFFD."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def shown(text: str, limit: int = _NAME_CHARS) -> str:
    """A cell or a column's name in single quotes, clipped at the end."""
    clean = printable(text[: limit + 1])
    return f"'{clean if len(clean) <= limit else clean[: limit - 1] + '…'}'"


def listing(names: Sequence[str], limit: int = 8) -> str:
    """The first ``limit`` names, and how many more there are."""
    listed = ", ".join(shown(name) for name in names[:limit])
    return listed if len(names) <= limit else f"{listed} and {len(names) - limit} more"


def nearest_first(wanted: str, names: Iterable[str]) -> list[str]:
    """``names``, those that resemble ``wanted`` first, the others in their own order."""
    names = list(names)
    folded: dict[str, str] = {}
    for name in names:
        folded.setdefault(name.casefold(), name)
    close = [folded[match] for match in get_close_matches(wanted.casefold(), folded, n=5, cutoff=0.5)]
    return close + [name for name in names if name not in close]
