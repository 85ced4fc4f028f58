"""A goal in words becomes a ``Goal``, by rules: metric, target, data set, limit on parameters.

``parse`` reads the text before the data, and so the task, are known; ``complete`` settles the rest with the task.
Explicit settings win over the text. Strict and non-strict comparisons ("above 95%", "at least 95%") are treated alike.
What the rules do not understand they leave alone, but never guess between two readings: two different targets, two
metrics with targets or two data sets are errors that say what to write instead.
"""

import re
from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

from fumehood.errors import UsageError
from fumehood.records import Goal, Record
from fumehood.scoring.metrics import DEFAULTS, METRICS, Metric, find
from fumehood_shared.messages import Task

MAX_CHARS = 10_000


class GoalDraft(Record):
    """What the text says. ``metric`` None: not said. ``percent``: the target was written with a percent sign."""

    text: str
    metric: str | None = None
    target: float | None = None
    percent: bool = False
    data: str | None = None
    max_parameters: int | None = None


class _Span(NamedTuple):
    start: int
    end: int


class _Mention(NamedTuple):
    """A metric in the text. ``inverted``: its complement was named, as in "error rate"; ``weak``: the word names a
    metric only where a number goes with it ("97% accurate", "error below 2%", but "an accurate model").
    """

    metric: Metric
    at: _Span
    inverted: bool = False
    weak: bool = False


class _Number(NamedTuple):
    """A number that may be a target. ``side``: "max" for at least, "min" for at most, "good" for words that fit both
    ("reach", "better than"), "" where nothing is said.
    """

    value: float
    percent: bool
    side: str
    at: _Span


# ---- public ------------------------------------------------------------------------------------------------------


def parse(text: str, *, data: str | None = None, metric: str | None = None, target: float | None = None) -> GoalDraft:
    """Read a goal. ``data``, ``metric`` and ``target`` are explicit settings and win over the text.

    Raises UsageError for an empty or too long goal, an unknown metric, and anything contradictory.
    """
    _check_text(text)
    if target is not None and not isfinite(target):
        raise UsageError(f"{target} is no target.", "Give a finite number.")
    limit, rest = _parameters(text)
    named, found = _aim(_without_data_names(rest), find(metric) if metric else None, explicit=target is not None)
    number = found if target is None else _Number(target, False, "", _Span(0, 0))
    return GoalDraft(
        text=text.strip(),
        metric=named.name if named else None,
        target=number.value if number else None,
        percent=bool(number and number.percent),
        data=data or _data(text),
        max_parameters=limit,
    )


def complete(draft: GoalDraft, task: Task) -> Goal:
    """Settle a draft once the task is known: default metric, and a target in the metric's own units.

    Raises UsageError for a metric of another task and for a target that the metric cannot take.
    """
    metric = METRICS[draft.metric or DEFAULTS[task]]
    if metric.task is not task:
        fitting = ", ".join(m.name for m in METRICS.values() if m.task is task)
        raise UsageError(f"The goal asks for {metric.name}, and the data set is for {task.value}.", f"Use: {fitting}.")
    return Goal(
        text=draft.text,
        metric=metric.name,
        direction=metric.direction,
        target=None if draft.target is None else in_units(metric, draft.target, percent=draft.percent),
        data=draft.data,
        max_parameters=draft.max_parameters,
    )


def in_units(metric: Metric, value: float, *, percent: bool = False) -> float:
    """A target in the metric's own units: for metrics in [0, 1], 95 and 95% mean 0.95. Raises UsageError."""
    shown = f"{value:g}{'%' if percent else ''}"
    bounded = isfinite(metric.high)
    if not isfinite(value) or (percent and not bounded):
        raise UsageError(
            f"{shown} is no target for {metric.name}.", f"Give {metric.name} as a number in its own units."
        )
    fraction = (metric.low, metric.high) == (0.0, 1.0)
    scaled = value / 100 if percent or (fraction and 2 <= value <= 100) else value
    if not metric.low <= scaled <= metric.high:
        hint = f"{metric.name} lies between {metric.low:g} and {metric.high:g}" + (
            ", or 0% and 100%." if fraction else "."
        )
        raise UsageError(f"A target of {shown} is out of the range of {metric.name}.", hint)
    return scaled


def _check_text(text: str) -> None:
    if not text.strip():
        raise UsageError("The goal is empty.", 'Say what to achieve, for example "Classify digits with >95% accuracy".')
    if len(text) > MAX_CHARS:
        raise UsageError(
            f"The goal has {len(text):,} characters and at most {MAX_CHARS:,} are read.", "Say it in fewer words."
        )


# ---- numbers -----------------------------------------------------------------------------------------------------

_AT_LEAST = (
    r"(?:is |be |being )?(?:greater|more|higher|larger|bigger) than(?: or equal to)?|at least"
    r"|(?:no|not) (?:less|lower|fewer) than|at minimum|minimum(?: of)?|min\.?|above|over|beyond|exceed(?:s|ing)?"
    r"|>=|=>|≥|⩾|>"
)
_AS_GOOD = (
    r"(?:is |be |being )?better than|(?:no|not) worse than|surpass(?:es|ing)?|beat(?:s|ing)?|reach(?:es|ing)?"
    r"|achiev(?:e|es|ing)|attain(?:s|ing)?|hit(?:s|ting)?"
)
_AT_MOST = (
    r"(?:is |be |being )?(?:less|lower|fewer|smaller) than(?: or equal to)?|(?:no|not) (?:more|greater|higher|larger|"
    r"bigger) than|at most|at maximum|maximum(?: of)?|max\.?|below|beneath|under|within|up to|(?:not|without) "
    r"exceed(?:ing)?|<=|=<|≤|⩽|<"
)
_VALUE = r"(?P<value>[-+−]?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:e[-+]?\d+)?)"
_NUMBER = re.compile(
    rf"(?:(?P<less>{_AT_MOST})|(?P<more>{_AT_LEAST})|(?P<good>{_AS_GOOD}))?\s*(?:(?:a|an|the|of|about)\s+)*"
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


def _numbers(text: str) -> list[_Number]:
    return [n for n in (_number(m, text) for m in _NUMBER.finditer(text)) if n is not None]


def _number(match: re.Match[str], text: str) -> _Number | None:
    value = float(match["value"].replace(",", "").replace("−", "-"))
    if not isfinite(value) or _THINGS.match(text, match.end()):
        return None
    side = "min" if match["less"] else "max" if match["more"] else "good" if match["good"] else ""
    return _Number(value, match["percent"] is not None, side or _afterwards(match, text), _Span(*match.span()))


def _afterwards(match: re.Match[str], text: str) -> str:
    """The comparison that follows a number: "95% or more", "95%+", "2% or less"; "or better" may be either."""
    if match["after"]:
        return "max"
    word = _OR_MORE.match(text, match.end())
    if word is None or word["word"].lower() == "better":
        return ""
    return "max" if word["word"].lower() in _RAISING else "min"


# ---- limit on parameters -----------------------------------------------------------------------------------------

_UNITS = {"k": 1e3, "thousand": 1e3, "m": 1e6, "mio": 1e6, "million": 1e6, "b": 1e9, "bn": 1e9, "billion": 1e9}
_COUNT = (
    r"(?<![\w.,])(?P<count>\d{1,3}(?:,\d{3})+|\d{1,16}(?:\.\d{1,9})?(?:e\d{1,2})?)"
    r"\s*-?(?P<unit>k|thousand|mio|million|m|billion|bn|b)?\b"
)
_WEIGHTS = r"(?:(?:trainable|learnable|model|total|free)\s+)*(?:parameters?|params?|weights)\b"
_LIMITS = tuple(
    re.compile(p, re.IGNORECASE)
    for p in (
        rf"(?:(?P<less>{_AT_MOST})|(?P<more>{_AT_LEAST}))\s*(?:a\s+total\s+of\s+)?{_COUNT}\s*{_WEIGHTS}",
        rf"\b{_WEIGHTS}(?:\s+(?:count|number|budget|limit))?\s*(?:is|are|of|be|to|:|kept|stays?|must|should|\s)*\s*"
        rf"(?:(?P<less>{_AT_MOST})|(?P<more>{_AT_LEAST}))\s*{_COUNT}",
        rf"{_COUNT}\s*{_WEIGHTS}\s*(?:(?P<less>or (?:less|fewer)|at most|max(?:imum)?\b|or below)|(?P<more>or more))",
        rf"(?P<less>\b{_WEIGHTS[:-2]}\s+(?:budget|limit|cap)\s*(?:is|of|:|=)?)\s*(?P<more>\b\B)?{_COUNT}",
        rf"(?P<less>(?:budget|limit|cap)\s+of)\s*(?P<more>\b\B)?{_COUNT}\s*{_WEIGHTS}",
    )
)


def _parameters(text: str) -> tuple[int | None, str]:
    """The tightest limit on parameters, and the text with every such phrase blanked."""
    limits: list[int] = []
    for pattern in _LIMITS:
        limits += [_limit(match) for match in pattern.finditer(text)]
        text = pattern.sub(_blank, text)
    return min(limits, default=None), text


def _limit(match: re.Match[str]) -> int:
    number = float(match["count"].replace(",", "")) * _UNITS.get((match["unit"] or "").lower(), 1.0)
    if match["more"] and not match["less"]:
        raise UsageError(
            f"The goal asks for a least number of parameters ({match[0].strip()!r}), which is not supported.",
            "Only upper limits are, such as: under 1M parameters.",
        )
    if not 1 <= number < 2**53:
        raise UsageError(f"{match[0].strip()!r} is no usable limit on parameters.", "Write, say, under 1M parameters.")
    return round(number)


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


# ---- metric and target -------------------------------------------------------------------------------------------

_INVERTED = re.compile(
    r"\b(?:(?:classification|misclassification|test|validation|top-1|top 1)\s+)*(?:error(?:[ -]rate)?s?)\b"
    r"|\bmisclassification(?: rate)?\b",
    re.IGNORECASE,
)
_WEAK = {"accurate", "accurately", "correct", "correctly", "error", "errors"}
_REFUSED = (
    (r"\btop[- ]?(?:[2-9]|\d\d+)\b(?:[- ]accuracy)?", "top-k accuracy", "Use accuracy, which is top-1."),
    (r"(?<!root )(?<!root-)\bmean[- ]squared?[- ]error\b|\bmse\b", "the mean squared error",
     "Use RMSE, its square root: it ranks models alike."),
)  # fmt: skip
_NOT_METRICS = re.compile(r"\bmixed[- ]precision\b|\b(?:half|full|single|double|float)[- ]precision\b", re.IGNORECASE)
_NEAR_CHARS = 60
_FILLER = re.compile(
    r"(?:[\s=:~()≈*_`'\"-]|\b(?:a|an|the|of|is|be|to|at|on|in|with|that|it|its|score|scores|value|values|rate|level|"
    r"target|targets|should|must|needs?|least|mean|average|test|validation|held-out|unseen|sealed|set|sets|data|"
    r"overall|final|classification|prediction|get|gets|getting|reach|reaches|reaching|achieve|achieves|achieving|"
    r"exceed|exceeds|attain|has|have|having|as|good|which|from|up|than|and|or|more|better|higher|less|lower|"
    r"below|above|about|around|model|we|want|i|need|coefficient|error|loss|keep|keeping|kept|equal|equals)\b)*",
    re.IGNORECASE,
)


def _aim(text: str, wanted: Metric | None, *, explicit: bool) -> tuple[Metric | None, _Number | None]:
    """The metric the goal is about and its target, in the words' own units; ``wanted`` is an explicit metric."""
    text = re.sub(r"\bfrom\s+[\d.]+\s*(?:%|percent)?\s+(?=to\b)", _blank, _NOT_METRICS.sub(_blank, text))
    mentions = _mentions(text, wanted)
    aims = [(m, n) for m, n in _bound(text, mentions) if wanted is None or m.metric is wanted]
    if explicit:
        return wanted or _named(mentions, aims), None
    targets = [(m, _checked(m, n)) for m, n in aims]
    if targets:
        return _agreed(targets)
    metric = wanted or _named(mentions, aims)
    return metric, None if any(not m.weak for m in mentions) else _bare_percent(text, metric)


def _named(mentions: Sequence[_Mention], aims: Sequence[tuple[_Mention, _Number]]) -> Metric | None:
    first = next((m for m in [*(m for m, _ in aims), *mentions] if aims or not m.weak), None)
    return first.metric if first else None


def _mentions(text: str, wanted: Metric | None) -> list[_Mention]:
    """Metrics in order of appearance; where names overlap the longest counts."""
    found = [_mention(m, METRICS[name], inverted=False) for p, name in _ALIASES for m in p.finditer(text)]
    found += [_mention(m, METRICS["accuracy"], inverted=True) for m in _INVERTED.finditer(text)]
    kept: list[_Mention] = []
    for mention in sorted(found, key=lambda m: m.at.start - m.at.end):
        if all(mention.at.end <= k.at.start or mention.at.start >= k.at.end for k in kept):
            kept.append(mention)
    if wanted is None:
        _refuse(text)
    return sorted(kept, key=lambda m: m.at.start)


def _mention(match: re.Match[str], metric: Metric, *, inverted: bool) -> _Mention:
    return _Mention(metric, _Span(*match.span()), inverted, match[0].lower() in _WEAK)


def _refuse(text: str) -> None:
    for pattern, what, hint in _REFUSED:
        if re.search(pattern, text, re.IGNORECASE):
            raise UsageError(f"The goal asks for {what}, which is not measured.", hint)


def _alias_patterns() -> list[tuple[re.Pattern[str], str]]:
    """A pattern for each name and alias; ``acc`` and ``ece`` only as whole words, names also with underscores."""
    return [
        (
            re.compile(rf"(?<![\w]){re.escape(alias).replace(chr(92) + ' ', r'[ _-]+')}(?![\w²^@])", re.IGNORECASE),
            m.name,
        )
        for m in METRICS.values()
        for alias in (m.name, m.name.replace("_", " "), *m.aliases)
    ]


_ALIASES = _alias_patterns()


def _bound(text: str, mentions: Sequence[_Mention]) -> list[tuple[_Mention, _Number]]:
    """Each number with the nearest metric that only filler words separate from it."""
    pairs = []
    for number in _numbers(text):
        near = [(m, _distance(text, m.at, number.at)) for m in mentions]
        close = [(d, i) for i, (_, d) in enumerate(near) if d is not None]
        if close:
            pairs.append((mentions[min(close)[1]], number))
    return pairs


def _distance(text: str, a: _Span, b: _Span) -> int | None:
    """Characters between two spans, or None where more than filler is there or they overlap."""
    if a.start < b.end and b.start < a.end:
        return None
    start, end = (a.end, b.start) if a.end <= b.start else (b.end, a.start)
    near = end - start <= _NEAR_CHARS
    return end - start if near and _FILLER.fullmatch(text, start, end) else None


def _checked(mention: _Mention, number: _Number) -> _Number:
    """The number as a target of the mentioned metric: right side, and 1 minus it where the complement was named."""
    direction = mention.metric.direction
    better = ("min" if direction == "max" else "max") if mention.inverted else direction
    if number.side in ("max", "min") and number.side != better:
        name = "error rate" if mention.inverted else mention.metric.name
        words = ("higher", "at least") if better == "max" else ("lower", "at most")
        raise UsageError(
            f"The goal puts the wrong bound on {name}: {words[0]} is better.", f"Write, say, {name} {words[1]} ..."
        )
    if not mention.inverted:
        return number
    share = in_units(METRICS["calibration_error"], number.value, percent=number.percent)
    return number._replace(value=round(1 - share, 12), percent=False)


def _agreed(targets: Sequence[tuple[_Mention, _Number]]) -> tuple[Metric, _Number]:
    metrics = {m.metric.name for m, _ in targets}
    if len(metrics) > 1:
        raise UsageError(
            f"The goal sets targets for {' and '.join(sorted(metrics))}; a run pursues one.",
            "Keep one target in the goal, or name the metric with --metric.",
        )
    metric = targets[0][0].metric
    values = {in_units(metric, n.value, percent=n.percent) for _, n in targets}
    if len(values) > 1:
        listed = " and ".join(f"{v:g}" for v in sorted(values))
        raise UsageError(f"The goal sets two targets for {metric.name}: {listed}.", "Keep one of them.")
    return metric, targets[0][1]


def _bare_percent(text: str, metric: Metric | None) -> _Number | None:
    """A target where no metric is named: one percentage to reach, as in "digits, at least 95%"."""
    found = [
        n
        for n in _numbers(text)
        if n.percent
        and n.side in ("max", "good")
        and not re.match(r"\s*(?:of|faster|fewer|less|more|smaller)\b", text[n.at.end :])
    ]
    if metric is not None and metric.direction == "min":
        return None
    if len({n.value for n in found}) > 1:
        raise UsageError("The goal names two percentages and no metric.", "Write, say, accuracy at least 95%.")
    return found[0] if found else None


# ---- data --------------------------------------------------------------------------------------------------------

_SPEC = re.compile(r"(?<!\w)(?:csv|npz|jsonl|imagefolder|synthetic|builtin):\S*[^\s.,;:!?)\"']")
_DATA = (
    ("cifar100", r"cifar[- _]?100"),
    ("cifar10", r"cifar[- _]?10"),
    ("fashion_mnist", r"fashion[- _]?mnist"),
    ("kmnist", r"(?:kuzushiji|k)[- _]?mnist"),
    ("emnist", r"emnist"),
    ("qmnist", r"qmnist"),
    ("mnist", r"mnist"),
    ("svhn", r"svhn|street[- ]view house numbers"),
    ("imagenet", r"imagenet(?:-?1k)?"),
    ("breast_cancer", r"breast[- _]?cancer"),
    ("diabetes", r"diabetes"),
    ("iris", r"iris(?:es)?"),
    ("wine", r"wines?(?![- _]quality)"),
    ("digits", r"(?:hand[- ]?written[- ])?digits?(?! (?:of|after)\b)"),
)
_DATA_PATTERNS = tuple((name, re.compile(rf"(?<![\w/])(?:{p})(?!\w)", re.IGNORECASE)) for name, p in _DATA)


def _data(text: str) -> str | None:
    """The data set named in the text, as a specification or a normalised name; two of them are an error."""
    specs = {m[0] for m in _SPEC.finditer(text)}
    named = specs or _data_names(_SPEC.sub(_blank, text))
    if len(named) > 1:
        listed = ", ".join(sorted(named))
        raise UsageError(f"The goal names more than one data set: {listed}.", "Choose one with --data.")
    return next(iter(named), None)


def _data_names(text: str) -> set[str]:
    """Names in the text; each is blanked once found. Digits are what several image sets show, so those win over it."""
    found = set()
    for name, pattern in _DATA_PATTERNS:
        if pattern.search(text):
            found.add(name)
            text = pattern.sub(_blank, text)
    return found - {"digits"} if found & {"mnist", "kmnist", "emnist", "qmnist", "svhn"} else found


def _without_data_names(text: str) -> str:
    """The text without data names, whose numbers (CIFAR-10) are no targets."""
    text = _SPEC.sub(_blank, text)
    for _, pattern in _DATA_PATTERNS:
        text = pattern.sub(_blank, text)
    return text
