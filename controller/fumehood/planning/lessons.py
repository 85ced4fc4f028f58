"""What earlier runs, and this one, teach the search: what did well on similar data, and what to stay away from.

Pure. A lesson may be wrong for these data: what did well elsewhere goes first only where the data are much alike, and
what failed elsewhere is proposed only where nothing else is left.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fumehood.memory.likeness import similarity
from fumehood.planning.knobs import Setting
from fumehood.planning.space import Candidate, Space, memory, seconds
from fumehood.records import Iteration
from fumehood.records.insight import DataFingerprint, Kind, Recalled
from fumehood_shared.messages import FailureKind

MOST_STARTS = 3
ALIKE = 0.7
"""Similarity of two data sets (``memory.likeness``) from which on they are taken to want the same networks."""
START = "start"
"""In a plan's ``params``: the place of a built-in start among all of them."""
BEATS = "beats_first_start"
"""In an insight's details: whether a candidate was clearly better than the first built-in start on the same data."""
_OTHERS = 2.0
"""By this factor estimates of needed memory err between families: so much more than the limit of others is taken to run
into it."""
_CLOSE = 0.8
"""Of the estimated cost of a candidate that ran into a limit: whoever costs as much is taken to run into it too."""


@dataclass(frozen=True)
class Cost:
    """Of one training, estimated: what limits of time and memory are about."""

    seconds: float
    memory: float
    """Bytes, beside those of libraries and data."""


@dataclass(frozen=True)
class Failed:
    """A point of some space that failed, on these data or on others."""

    kind: str
    family: str
    settings: Mapping[str, Any]
    cost: Cost | None
    """None where nobody wrote it down."""


def recalled_starts(recalled: Sequence[Recalled], space: Space) -> list[tuple[Candidate, Recalled]]:
    """Points of ``space`` like those that did well elsewhere, in the order recalled; at most three, all different.

    Only of those that were clearly better than the first built-in start, which else serves as well.
    """
    found: dict[str, tuple[Candidate, Recalled]] = {}
    for one in recalled:
        details = one.insight.details
        if one.insight.kind not in (Kind.RESULT, Kind.PATTERN) or one.insight.demoted_by:
            continue
        if details.get("verdict") == "behind" or details.get(BEATS) is False or not _is_of_kind(one, space):
            continue
        candidate = _like(details.get("family"), details.get("settings"), space)
        if candidate is not None:
            found.setdefault(candidate.identity, (candidate, one))
    return list(found.values())[:MOST_STARTS]


def in_turn(
    recalled: Sequence[tuple[Candidate, Recalled]], built_in: Sequence[Candidate], data: DataFingerprint
) -> Iterator[tuple[Candidate, Recalled | None]]:
    """The first proposals. What did well on data much like ``data`` goes before everything that is built in.

    What did well on others takes turns with the built-in starts, one of which begins.
    """
    close = [pair for pair in recalled if (of := pair[1].insight.data) is not None and similarity(of, data) >= ALIKE]
    others = [pair for pair in recalled if pair not in close]
    yield from close
    for place in range(max(len(others), len(built_in))):
        yield from ((one, None) for one in built_in[place : place + 1])
        yield from others[place : place + 1]


def failures(recalled: Sequence[Recalled]) -> list[Failed]:
    """Those that other runs told of."""
    return [
        Failed(
            kind=str(one.insight.details.get("failure_kind")),
            family=str(one.insight.details.get("family")),
            settings=settings if isinstance(settings := one.insight.details.get("settings"), Mapping) else {},
            cost=_cost(one.insight.details.get("cost")),
        )
        for one in recalled
        if one.insight.kind is Kind.FAILURE and not one.insight.demoted_by
    ]


def failed(iteration: Iteration) -> Failed | None:
    """That of this run; None where a seed survived, and for plans of other planners."""
    failure, plan = iteration.envelope.failure, iteration.plan
    settings = plan.params.get("settings")
    if failure is None or not isinstance(settings, Mapping):
        return None
    return Failed(failure.kind.value, plan.family, settings, _cost(plan.params.get("cost")))


def done(recalled: Sequence[Recalled], history: Sequence[Iteration]) -> list[tuple[str, Cost]]:
    """Family and cost of trainings that came to their end, elsewhere and here."""
    found: dict[tuple[str, Cost | None], None] = {}
    for one in recalled:
        if one.insight.kind in (Kind.RESULT, Kind.PATTERN):
            details = one.insight.details
            most = details.get("most_done")
            found[str(details.get("family")), _cost(details.get("cost"))] = None
            found |= {(str(f), _cost(cost)): None for f, cost in most.items()} if isinstance(most, Mapping) else {}
    here = [(one.plan.family, _cost(one.plan.params.get("cost"))) for one in history if one.score is not None]
    return [(family, cost) for family, cost in (*found, *here) if cost is not None]


class Warnings:
    """What is to be expected to fail, after ``failures`` and after what is ``done``.

    A limit of time stops whatever is estimated to take as long. One of memory stops whatever of the same family is
    estimated to need as much, and of others what is estimated to need a good deal more, because an estimate errs alike
    for all of a family and differently for others. Training that diverged does so again in the same family at the same
    rate of learning or a higher one. Other failures warn of the very same point.
    """

    def __init__(self, failures: Sequence[Failed], done: Sequence[tuple[str, Cost]]) -> None:
        self._others = [one for one in failures if one.kind not in (FailureKind.TIMEOUT, FailureKind.OOM)]
        out_of_time = [one.cost.seconds for one in failures if one.kind == FailureKind.TIMEOUT and one.cost]
        self.seconds = step(out_of_time, [cost.seconds for _, cost in done])
        """Estimates from which on training is to be expected to run out of time."""
        out_of_memory = [(one.family, one.cost.memory) for one in failures if one.kind == FailureKind.OOM and one.cost]
        well = [(family, cost.memory) for family, cost in done]
        self.memory = step([need for _, need in out_of_memory], [need for _, need in well])
        """Estimates from which on families together are best parted into what ran out of memory and what did not."""
        self.memory_of = {
            family: step([need for f, need in out_of_memory if f == family], [need for f, need in well if f == family])
            for family in {family for family, _ in out_of_memory}
        }

    def apply_to(self, candidate: Candidate, cost: Cost) -> bool:
        family = candidate.family.name
        enough = min(self.memory_of.get(family, math.inf), _OTHERS * self.memory)
        if cost.seconds >= self.seconds or cost.memory >= enough:
            return True
        return any(_is_like(candidate, failure) for failure in self._others if failure.family == family)


def step(failed: Sequence[float], well: Sequence[float]) -> float:
    """The value that best parts what ``failed``, at and above it, from what went ``well``; infinite where none does.

    A machine may be busy for a moment, so neither a small failure nor a large success settles it alone. Of equally good
    values the highest, less what lies close below it and was never tried.
    """
    low, high = sorted(failed), sorted(well)
    wrong = {at: bisect_left(low, at) + len(high) - bisect_left(high, at) for at in (*low, math.inf)}
    best = max(wrong, key=lambda at: (-wrong[at], at))
    below = max((one for one in well if one < best), default=0.0)
    return best if math.isinf(best) else max(_CLOSE * best, min(below * 1.01, best))


def _is_like(candidate: Candidate, failure: Failed) -> bool:
    """Of the same family."""
    if failure.kind == FailureKind.NON_FINITE:
        same = all(candidate.settings.get(name) == failure.settings.get(name) for name in ("optimizer", "norm"))
        return same and _number(candidate.settings.get("lr")) >= _number(failure.settings.get("lr"))
    return dict(candidate.settings) == dict(failure.settings)


def cost_of(candidate: Candidate, space: Space) -> Cost:
    return Cost(
        seconds=round(seconds(candidate, space.problem), 3),
        memory=float(memory(candidate)),
    )


def _is_of_kind(one: Recalled, space: Space) -> bool:
    """Whether it was found out about inputs of the same kind and the same task; anything else is no place to start."""
    data = one.insight.data
    return data is None or (data.input_kind, data.task) == (space.problem.kind.value, space.problem.task.value)


def _like(family: Any, settings: Any, space: Space) -> Candidate | None:
    """The point of ``space`` next to one of another data set's space; None where it has no such family."""
    if not isinstance(family, str) or not isinstance(settings, Mapping) or family not in space.families:
        return None
    stated = {str(name): value for name, value in settings.items() if isinstance(value, int | float | str)}
    return space.candidate(family, space.filled(family, stated))


def _cost(found: Any) -> Cost | None:
    """As a journal or a database holds it; None for what is none."""
    names = ("seconds", "memory")
    if not isinstance(found, Mapping) or not all(isinstance(found.get(name), int | float) for name in names):
        return None
    return Cost(float(found["seconds"]), float(found["memory"]))


def _number(value: Setting | Any) -> float:
    """0 for what is no number: it then teaches nothing."""
    return float(value) if isinstance(value, int | float) else 0.0
