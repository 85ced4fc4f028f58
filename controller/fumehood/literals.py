"""How much of a candidate's source is no code: text, numbers, comments. A flag for people, never a verdict.

Labels of public data fit into a source, and no protocol tells parameters that were learnt from answers that were
written down; but they take room. Only tokens are looked at: a parser, as a C program that recurses, is more than a
stranger's text should be given here. What is spelled in many short names is not seen.
"""

import io
import tokenize
from collections import Counter
from typing import Final

from fumehood.records import Record

LARGE_BYTES: Final = 8 * 1024
_LONG_NAME: Final = 64
_KINDS: Final = {tokenize.STRING, tokenize.NUMBER, tokenize.COMMENT}


class Flag(Record):
    """Something that a person should look at."""

    kind: str
    reason: str
    line: int | None = None


def flags(source: str) -> tuple[Flag, ...]:
    """One flag where literals and comments of ``source`` take more than ``LARGE_BYTES``, at the line with most."""
    by_line = _bytes_by_line(source)
    total = sum(by_line.values())
    if total <= LARGE_BYTES:
        return ()
    line, _ = max(by_line.items(), key=lambda one: (one[1], -one[0]))
    reason = (
        f"{total / 1024:.1f} KB of the source are literals and comments, enough for a table of known answers; "
        "if its data are public, judge it on private data"
    )
    return (Flag(kind="large_literals", reason=reason, line=line),)


def _bytes_by_line(source: str) -> Counter[int]:
    """Line -> bytes of the literals and comments that begin there; all that cannot be read counts as one."""
    found: Counter[int] = Counter()
    lines = io.StringIO(source)
    reached = 1
    try:
        for token in tokenize.generate_tokens(lines.readline):
            reached = token.end[0]
            if token.type in _KINDS or len(token.string) > _LONG_NAME:
                found[token.start[0]] += len(token.string.encode())
    except (tokenize.TokenError, SyntaxError):
        rest = "".join(source.splitlines(keepends=True)[reached - 1 :])
        found[reached] += len(rest.encode())
    return found
