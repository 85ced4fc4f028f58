"""Escaping for every sink. Text that came out of a room is hostile until one of these functions returned it.

One function per sink, all pure. Nothing else in the controller may print, log or template a string of a room's.
"""

import html
import re
import unicodedata

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|<>~&$^-])")
_ELLIPSIS = " … "


def plain(text: str, limit: int = 500) -> str:
    """One line for a terminal or a log: no control, format, bidi or surrogate characters; clipped in the middle."""
    return clip(" ".join(_printable(text).split()), limit)


def block(text: str, limit: int = 4000) -> str:
    """Several lines for a terminal or a log, each as in ``plain``; line structure and indentation stay."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return clip("\n".join(_printable(line.expandtabs(4)).rstrip() for line in lines), limit)


def markdown(text: str, limit: int = 500) -> str:
    """Text for the middle of a Markdown line or table cell: nothing in it is markup, link, HTML or formula."""
    return _MARKDOWN.sub(r"\\\1", plain(text, limit))


def fenced(text: str, limit: int = 4000) -> str:
    """A Markdown code block that its content cannot close."""
    body = block(text, limit)
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{body}\n{fence}"


def html_text(text: str, limit: int = 4000) -> str:
    """Text for HTML content or a quoted attribute."""
    return html.escape(block(text, limit), quote=True)


def csv_cell(text: str, limit: int = 500) -> str:
    """A cell that no spreadsheet takes for a formula."""
    clean = plain(text, limit)
    return "'" + clean if clean[:1] in ("=", "+", "-", "@") else clean


def clip(text: str, limit: int) -> str:
    """At most ``limit`` characters, the middle replaced where it is longer; the end weighs twice as much."""
    if len(text) <= limit:
        return text
    room = max(limit - len(_ELLIPSIS), 0)
    head = room // 3
    tail = room - head
    return (text[:head] + _ELLIPSIS + text[len(text) - tail :])[:limit]


def _printable(text: str) -> str:
    """Replace whatever could move a cursor, reorder a line or hide in it by U+FFFD; tabs become spaces."""
    return "".join(_printable_char(c) for c in text)


def _printable_char(c: str) -> str:
    if c == "\t":
        return " "
    category = unicodedata.category(c)
    if category in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return "\N{REPLACEMENT CHARACTER}"
    return c
