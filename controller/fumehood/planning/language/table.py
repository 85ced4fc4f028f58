"""The history of a run in a few lines, as many as the logarithm of its length: the best, the latest, and the rest.

Scores are on validation, as means and intervals that are no finer than their noise. Titles and families were written
by a model that reads foreign text: they are shortened here, and escaped by whoever shows the lines.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from fumehood import decision, failures
from fumehood.records import Goal, Iteration, Verdict
from fumehood.rounding import rounded, rounded_interval
from fumehood.text import clip

_AT_LEAST: Final = 3
_TITLE: Final = 70
_FAMILY: Final = 24
_MESSAGE: Final = 160

HEADER: Final = "number | move | family | score [interval] | parameters | outcome | title"


@dataclass(frozen=True)
class _Row:
    number: int
    family: str
    value: float | None
    """None where no seed survived."""
    line: str


def rows(goal: Goal, history: Sequence[Iteration]) -> list[str]:
    """Lines for the best and the latest iterations, in their order, under ``HEADER``; then one for others by family."""
    if not history:
        return []
    incumbent = max((one.number for one in history if one.decision.verdict is Verdict.KEEP), default=None)
    found = [_row(one, goal, is_best=one.number == incumbent) for one in history]
    shown = {row.number for row in [*_best(found, goal)[: _most(found)], *found[-_most(found) :]]}
    shown |= {incumbent} if incumbent else set()
    rest = [row for row in found if row.number not in shown]
    return [HEADER, *(row.line for row in found if row.number in shown), *_summary(rest, goal)]


def failed(history: Sequence[Iteration]) -> list[str]:
    """A line a signature, the most frequent first: how often, when last, and the last message. Foreign text."""
    groups: dict[str, list[tuple[int, str]]] = {}
    for one in history:
        told = failures.told(one.envelope) if failures.failed(one) else None
        if told is not None:
            groups.setdefault(told.signature, []).append((one.number, f"{told.kind}: {told.message or '(withheld)'}"))
    ordered = sorted(groups.values(), key=lambda group: (-len(group), -group[-1][0]))
    return [
        f"{len(group)} time{'' if len(group) == 1 else 's'}, last in iteration {group[-1][0]}: "
        f"{clip(' '.join(group[-1][1].split()), _MESSAGE)}"
        for group in ordered[: _AT_LEAST + len(history).bit_length()]
    ]


def _most(found: Sequence[object]) -> int:
    return _AT_LEAST + len(found).bit_length()


def _best(found: Sequence[_Row], goal: Goal) -> list[_Row]:
    """Those with a score, best first; the earlier of equals."""
    sign = -1 if goal.direction == "max" else 1
    return sorted((row for row in found if row.value is not None), key=lambda row: sign * (row.value or 0.0))


def _row(one: Iteration, goal: Goal, *, is_best: bool) -> _Row:
    summary = None if one.score is None or failures.failed(one) else one.score.metrics[goal.metric]
    value = None if summary is None else rounded(summary)
    interval = None if summary is None else rounded_interval(summary)
    ends = f" [{interval[0]:.4g}, {interval[1]:.4g}]" if interval else ""
    count = decision.parameters(one.envelope)
    family = clip(one.plan.family, _FAMILY)
    cells = [
        str(one.number),
        one.plan.move if one.plan.parent is None else f"{one.plan.move} of {one.plan.parent}",
        family,
        "-" if value is None else f"{value:.4g}{ends}",
        "-" if count is None else f"{count:,}",
        _outcome(one, goal, is_best=is_best),
        clip(" ".join(one.plan.title.split()), _TITLE).replace("|", "/"),
    ]
    return _Row(one.number, family, value, " | ".join(cells))


def _outcome(one: Iteration, goal: Goal, *, is_best: bool) -> str:
    if failures.failed(one):
        told = failures.told(one.envelope)
        return f"failed: {told.kind}" if told else "failed"
    if is_best:
        return "kept, the incumbent"
    if one.decision.verdict is Verdict.KEEP:
        return "kept"
    if one.envelope.given_up:
        return "given up after its first seeds"
    return "discarded, over a limit" if decision.beyond_limits(one.envelope, goal) else "discarded"


def _summary(rest: Sequence[_Row], goal: Goal) -> Iterator[str]:
    """The families of those that are not shown: the largest ones by name, the others together."""
    groups: dict[str, list[_Row]] = {}
    for row in rest:
        groups.setdefault(row.family, []).append(row)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    most = _most(rest)
    for family, members in ordered[:most]:
        yield f"not shown: {len(members)} of family {family}{_results(members, goal)}"
    others = [row for _, members in ordered[most:] for row in members]
    if others:
        yield f"not shown: {len(others)} of {len(ordered) - most} other families{_results(others, goal)}"


def _results(members: Sequence[_Row], goal: Goal) -> str:
    best = _best(members, goal)
    failed_ones = sum(row.value is None for row in members)
    said = [f"best {best[0].value:.4g}"] if best else []
    said += [f"{failed_ones} failed"] if failed_ones else []
    return f"; {', '.join(said)}" if said else ""
