"""Which move comes next: begin anew, improve the best, or fix what failed. One pure function of what was tried.

The rule, the first that holds:

1. A candidate that failed, and that nothing repairs yet, is fixed, the earliest first. A chain of fixes has at most
   ``max_repairs`` of them, and ends where the failure that is to be fixed has come twice in it: what did not help
   twice will not help a third time.
2. A draft, as long as there is nothing to improve, or fewer than ``drafts_wanted`` were begun.
3. A draft, once ``PATIENCE`` moves in a row, since the last draft and the last progress, did not lead to anything kept.
4. An improvement of the incumbent.

What is under way counts as tried and not as progress, so that several proposals at once spread in the same way.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from fumehood import failures
from fumehood.records import Iteration, Move, Verdict

DRAFTS: Final = 3
"""Begun before the best of them is improved; fewer where there are few iterations."""
PATIENCE: Final = 3
"""Moves without progress before something else is tried."""
SAME_FAILURE: Final = 2
"""How often a chain may end in the same failure."""


class Step(NamedTuple):
    """A move, and the number of the iteration that it begins from; None for drafts."""

    move: Move
    parent: int | None = None


@dataclass(frozen=True)
class _Tried:
    step: Step
    kept: bool = False
    signature: str | None = None
    """Of its failure; None where it did not fail, or is under way."""


def drafts_wanted(max_iterations: int) -> int:
    """A third of the iterations, at least one and at most ``DRAFTS``."""
    return max(1, min(DRAFTS, math.ceil(max_iterations / 3)))


def next_move(
    history: Sequence[Iteration],
    under_way: Sequence[Step],
    *,
    max_iterations: int,
    max_repairs: int,
    beyond_repair: Collection[int] = (),
) -> Step:
    """The move after ``history``, whose numbers begin with 1, and after the moves that are ``under_way``.

    ``beyond_repair``: numbers of iterations that are not to be fixed, whatever the rule says.
    """
    tried = [_tried(one) for one in history] + [_Tried(step) for step in under_way]
    repaired = {one.step.parent for one in tried if one.step.move == "fix"} | set(beyond_repair)
    for number, one in enumerate(tried, start=1):
        if one.signature is not None and number not in repaired and _may_be_fixed(tried, number, max_repairs):
            return Step("fix", number)
    incumbent = max((number for number, one in enumerate(tried, start=1) if one.kept), default=None)
    drafts = sum(one.step.move == "draft" for one in tried)
    if incumbent is None or drafts < drafts_wanted(max_iterations) or _without_progress(tried) >= PATIENCE:
        return Step("draft")
    return Step("improve", incumbent)


def _tried(one: Iteration) -> _Tried:
    step = Step(one.plan.move, one.plan.parent)
    told = failures.told(one.envelope)
    signature = (told.signature if told else "unknown") if failures.failed(one) else None
    return _Tried(step, one.decision.verdict is Verdict.KEEP, signature)


def _may_be_fixed(tried: Sequence[_Tried], number: int, max_repairs: int) -> bool:
    chain = _chain(tried, number)
    same = sum(one.signature == chain[0].signature for one in chain)
    return len(chain) - 1 < max_repairs and same < SAME_FAILURE


def _chain(tried: Sequence[_Tried], number: int) -> list[_Tried]:
    """The candidate, what it repairs, what that repairs, and so on."""
    chain = [tried[number - 1]]
    while chain[-1].step.move == "fix" and chain[-1].step.parent is not None:
        chain.append(tried[chain[-1].step.parent - 1])
    return chain


def _without_progress(tried: Sequence[_Tried]) -> int:
    """Improvements since the last draft and since the last that was kept; fixes are part of what they repair."""
    count = 0
    for one in reversed(tried):
        if one.kept or one.step.move == "draft":
            break
        count += one.step.move == "improve"
    return count
