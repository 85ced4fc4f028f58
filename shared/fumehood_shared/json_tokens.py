"""How much is in a JSON document, counted without building any of it.

Both sides count alike: the runner before it writes, the controller before it parses. It does not check that the
document is JSON. For a document that is, the numbers are exact; for any other they hold up to its first fault.
Time is linear in the size of the document whatever it holds, and nothing but the counts is kept.
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?+|[\[\]{},:]', re.DOTALL)
"""A string, also one that does not end, or a mark."""
_STRING, _COLON = b'":'
_OPENING, _CLOSING = b"[{", b"]}"


@dataclass(frozen=True)
class Counted:
    tokens: int
    """Commas, colons and opening brackets; one more than was asked for where there are more."""
    containers: int
    """Objects and arrays."""
    keys: int
    depth: int


def count(document: bytes, most: int) -> Counted:
    """Counts of ``document``, or of its beginning where it has more than ``most`` tokens."""
    tokens = containers = keys = depth = deepest = 0
    for match in _TOKEN.finditer(document):
        mark = document[match.start()]
        if mark == _STRING:
            continue
        if mark in _CLOSING:
            depth -= 1
            continue
        tokens += 1
        if tokens > most:
            break
        keys += mark == _COLON
        if mark in _OPENING:
            containers += 1
            depth += 1
            deepest = max(deepest, depth)
    return Counted(tokens, containers, keys, deepest)
