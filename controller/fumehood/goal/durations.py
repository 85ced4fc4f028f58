"""A limit on the time that a training may take, in a text."""

import re

from fumehood.errors import UsageError
from fumehood.goal.words import AT_MOST, blank

_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_TIME = (
    r"(?P<count>\d{1,9}(?:\.\d{1,6})?|an?\b|one\b)\s*-?"
    r"(?P<unit>ms|milliseconds?|s|secs?|seconds?|mins?|minutes?|h|hrs?|hours?)\b"
)
_LESS = rf"(?:(?:in|for|is|be|takes?|of|to)\s+)*(?:{AT_MOST}|less\s+than)\s*"
_LIMITS = tuple(
    re.compile(p, re.IGNORECASE)
    for p in (
        rf"\btrain(?:s|ed|ing|able)?\b(?:\s+(?:time|times|run|budget|limit|on|the|a|an|one|single|cpu|gpu|core|it|model|"
        rf"network|itself|should|must|has|needs|stays?|kept|that|which)\b)*\s*:?\s*(?:{_LESS}|in\s+|[:=]\s*){_TIME}",
        rf"(?:{AT_MOST}|less\s+than)\s*{_TIME}\s+(?:of|for|to)\s+(?:train|training)\b",
        rf"\btrain(?:ing)?[- ](?:time[- ])?(?:budget|limit|cap)\s*(?:is|of|:|=)?\s*{_TIME}",
    )
)


def limit(text: str) -> tuple[float | None, str]:
    """The tightest limit on training time in seconds, and the text with every such phrase blanked.

    Only where training is named: "within 5 minutes" alone may be about the whole research.
    """
    limits: list[float] = []
    for pattern in _LIMITS:
        limits += [_seconds(match) for match in pattern.finditer(text)]
        text = pattern.sub(blank, text)
    return min(limits, default=None), text


def _seconds(match: re.Match[str]) -> float:
    count, unit = match["count"].lower(), match["unit"].lower()
    number = 1.0 if count.isalpha() else float(count)
    seconds = number * (_UNITS["ms"] if unit.startswith(("ms", "mil")) else _UNITS[unit[0]])
    if seconds <= 0:
        raise UsageError(f"{match[0].strip()!r} is no usable limit on training.", "Write, say, trains in under 60 s.")
    return seconds
