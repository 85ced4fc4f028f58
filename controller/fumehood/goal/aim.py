"""The metric that a text is about, and its target."""

import re
from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

from fumehood.errors import UsageError
from fumehood.goal.words import Number, Span, blank, numbers
from fumehood.scoring.metrics import METRICS, Metric


class _Mention(NamedTuple):
    """A metric in the text. ``inverted``: its complement was named, as in "error rate"; ``weak``: the word names a
    metric only where a number goes with it ("97% accurate", "error below 2%", but "an accurate model").
    """

    metric: Metric
    at: Span
    inverted: bool = False
    weak: bool = False


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


def aim(text: str, wanted: Metric | None, *, explicit: bool) -> tuple[Metric | None, Number | None]:
    """The metric the goal is about and its target, in the words' own units; ``wanted`` is an explicit metric."""
    text = re.sub(r"\bfrom\s+[\d.]+\s*(?:%|percent)?\s+(?=to\b)", blank, _NOT_METRICS.sub(blank, text))
    mentions = _mentions(text, wanted)
    aims = [(m, n) for m, n in _bound(text, mentions) if wanted is None or m.metric is wanted]
    if explicit:
        return wanted or _named(mentions, aims), None
    targets = [(m, _checked(m, n)) for m, n in aims]
    if targets:
        return _agreed(targets)
    metric = wanted or _named(mentions, aims)
    return metric, None if any(not m.weak for m in mentions) else _bare_percent(text, metric)


def _named(mentions: Sequence[_Mention], aims: Sequence[tuple[_Mention, Number]]) -> Metric | None:
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
    return _Mention(metric, Span(*match.span()), inverted, match[0].lower() in _WEAK)


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


def _bound(text: str, mentions: Sequence[_Mention]) -> list[tuple[_Mention, Number]]:
    """Each number with the nearest metric that only filler words separate from it."""
    pairs = []
    for number in numbers(text):
        near = [(m, _distance(text, m.at, number.at)) for m in mentions]
        close = [(d, i) for i, (_, d) in enumerate(near) if d is not None]
        if close:
            pairs.append((mentions[min(close)[1]], number))
    return pairs


def _distance(text: str, a: Span, b: Span) -> int | None:
    """Characters between two spans, or None where more than filler is there or they overlap."""
    if a.start < b.end and b.start < a.end:
        return None
    start, end = (a.end, b.start) if a.end <= b.start else (b.end, a.start)
    near = end - start <= _NEAR_CHARS
    return end - start if near and _FILLER.fullmatch(text, start, end) else None


def _checked(mention: _Mention, number: Number) -> Number:
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


def _agreed(targets: Sequence[tuple[_Mention, Number]]) -> tuple[Metric, Number]:
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


def _bare_percent(text: str, metric: Metric | None) -> Number | None:
    """A target where no metric is named: one percentage to reach, as in "digits, at least 95%"."""
    found = [
        n
        for n in numbers(text)
        if n.percent
        and n.side in ("max", "good")
        and not re.match(r"\s*(?:of|faster|fewer|less|more|smaller)\b", text[n.at.end :])
    ]
    if metric is not None and metric.direction == "min":
        return None
    if len({n.value for n in found}) > 1:
        raise UsageError("The goal names two percentages and no metric.", "Write, say, accuracy at least 95%.")
    return found[0] if found else None


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
