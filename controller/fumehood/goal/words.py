"""Numbers and comparisons in a text."""

import re
from math import isfinite
from typing import NamedTuple


class Span(NamedTuple):
    start: int
    end: int


class Number(NamedTuple):
    """A number that may be a target. ``side``: "max" for at least, "min" for at most, "good" for words that fit both
    ("reach", "better than"), "" where nothing is said.
    """

    value: float
    percent: bool
    side: str
    at: Span


AT_LEAST = (
    r"(?:is |be |being )?(?:greater|more|higher|larger|bigger) than(?: or equal to)?|at least"
    r"|(?:no|not) (?:less|lower|fewer) than|at minimum|minimum(?: of)?|min\.?|above|over|beyond|exceed(?:s|ing)?"
    r"|>=|=>|≥|⩾|>"
)
_AS_GOOD = (
    r"(?:is |be |being )?better than|(?:no|not) worse than|surpass(?:es|ing)?|beat(?:s|ing)?|reach(?:es|ing)?"
    r"|achiev(?:e|es|ing)|attain(?:s|ing)?|hit(?:s|ting)?"
)
AT_MOST = (
    r"(?:is |be |being )?(?:less|lower|fewer|smaller) than(?: or equal to)?|(?:no|not) (?:more|greater|higher|larger|"
    r"bigger) than|at most|at maximum|maximum(?: of)?|max\.?|below|beneath|under|within|up to|(?:not|without) "
    r"exceed(?:ing)?|<=|=<|≤|⩽|<"
)
_VALUE = r"(?P<value>[-+−]?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:e[-+]?\d+)?)"
_NUMBER = re.compile(
    rf"(?:(?P<less>{AT_MOST})|(?P<more>{AT_LEAST})|(?P<good>{_AS_GOOD}))?\s*(?:(?:a|an|the|of|about)\s+)*"
    rf"(?<![\w.,-])(?=[-+−.\d]){_VALUE}(?P<percent>\s*(?:%|percent\b|per cent\b|pct\b))?"
    r"(?P<after>\s*\+)?(?!\w|[.,-]\d)",
    re.IGNORECASE,
)
_THINGS = re.compile(
    r"\s*-?\s*(?:(?:hidden|convolutional|training|random|different|decimal|significant|attention)\s+)*(?:layers?|epochs?|"
    r"iterations?|steps?|seeds?|trials?|folds?|candidates?|models?|class(?:es)?|channels?|filters?|heads?|blocks?|"
    r"neurons?|features?|columns?|images?|samples?|examples?|rows?|labels?|digits?|decimals?|places?|seconds?|secs?|"
    r"minutes?|mins?|hours?|hrs?|days?|ms|s|h|gb|mb|kb|gib|mib|flops|gflops|mflops|gpus?|cpus?|cores?|times|x)\b",
    re.IGNORECASE,
)
"""What a number may count that is no score: "within 10 epochs", "3 layers"."""
_OR_MORE = re.compile(r"\s*(?:or|and) (?P<word>more|better|higher|above|less|lower|below|fewer)\b", re.IGNORECASE)
_RAISING = {"more", "higher", "above"}


def numbers(text: str) -> list[Number]:
    return [n for n in (_number(m, text) for m in _NUMBER.finditer(text)) if n is not None]


def _number(match: re.Match[str], text: str) -> Number | None:
    value = float(match["value"].replace(",", "").replace("−", "-"))
    if not isfinite(value) or _THINGS.match(text, match.end()):
        return None
    side = "min" if match["less"] else "max" if match["more"] else "good" if match["good"] else ""
    return Number(value, match["percent"] is not None, side or _afterwards(match, text), Span(*match.span()))


def _afterwards(match: re.Match[str], text: str) -> str:
    """The comparison that follows a number: "95% or more", "95%+", "2% or less"; "or better" may be either."""
    if match["after"]:
        return "max"
    word = _OR_MORE.match(text, match.end())
    if word is None or word["word"].lower() == "better":
        return ""
    return "max" if word["word"].lower() in _RAISING else "min"


def blank(match: re.Match[str]) -> str:
    """For ``re.sub``: spaces in place of a match, so that positions stay."""
    return " " * len(match[0])
