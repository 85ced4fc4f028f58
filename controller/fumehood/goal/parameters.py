"""A limit on a model's parameters in a text."""

import re

from fumehood.errors import UsageError
from fumehood.goal.words import AT_LEAST, AT_MOST, blank

_UNITS = {"k": 1e3, "thousand": 1e3, "m": 1e6, "mio": 1e6, "million": 1e6, "b": 1e9, "bn": 1e9, "billion": 1e9}
_COUNT = (
    r"(?<![\w.,])(?P<count>\d{1,3}(?:,\d{3})+|\d{1,16}(?:\.\d{1,9})?(?:e\d{1,2})?)"
    r"\s*-?(?P<unit>k|thousand|mio|million|m|billion|bn|b)?\b"
)
_WEIGHTS = r"(?:(?:trainable|learnable|model|total|free)\s+)*(?:parameters?|params?|weights)\b"
_LIMITS = tuple(
    re.compile(p, re.IGNORECASE)
    for p in (
        rf"(?:(?P<less>{AT_MOST})|(?P<more>{AT_LEAST}))\s*(?:a\s+total\s+of\s+)?{_COUNT}\s*{_WEIGHTS}",
        rf"\b{_WEIGHTS}(?:\s+(?:count|number|budget|limit))?\s*(?:is|are|of|be|to|:|kept|stays?|must|should|\s)*\s*"
        rf"(?:(?P<less>{AT_MOST})|(?P<more>{AT_LEAST}))\s*{_COUNT}",
        rf"{_COUNT}\s*{_WEIGHTS}\s*(?:(?P<less>or (?:less|fewer)|at most|max(?:imum)?\b|or below)|(?P<more>or more))",
        rf"(?P<less>\b{_WEIGHTS[:-2]}\s+(?:budget|limit|cap)\s*(?:is|of|:|=)?)\s*(?P<more>\b\B)?{_COUNT}",
        rf"(?P<less>(?:budget|limit|cap)\s+of)\s*(?P<more>\b\B)?{_COUNT}\s*{_WEIGHTS}",
    )
)


def limit(text: str) -> tuple[int | None, str]:
    """The tightest limit on parameters, and the text with every such phrase blanked."""
    limits: list[int] = []
    for pattern in _LIMITS:
        limits += [_count(match) for match in pattern.finditer(text)]
        text = pattern.sub(blank, text)
    return min(limits, default=None), text


def _count(match: re.Match[str]) -> int:
    number = float(match["count"].replace(",", "")) * _UNITS.get((match["unit"] or "").lower(), 1.0)
    if match["more"] and not match["less"]:
        raise UsageError(
            f"The goal asks for a least number of parameters ({match[0].strip()!r}), which is not supported.",
            "Only upper limits are, such as: under 1M parameters.",
        )
    if not 1 <= number < 2**53:
        raise UsageError(f"{match[0].strip()!r} is no usable limit on parameters.", "Write, say, under 1M parameters.")
    return round(number)
