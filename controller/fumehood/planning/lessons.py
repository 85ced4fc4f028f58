"""What earlier runs, and this one, teach the search: what did well on similar data, and what to stay away from.

Pure. A lesson may be wrong for these data: what did well elsewhere is tried in turn with the built-in starts, and what
failed elsewhere is proposed only where nothing else is left.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fumehood.planning.knobs import Setting
from fumehood.planning.space import Candidate, Space, seconds
from fumehood.records import Iteration
from fumehood.records.insight import Kind, Recalled
from fumehood_shared.messages import FailureKind

MOST_STARTS = 3
_CLOSE = 0.8
"""Of the estimated cost of a candidate that ran into a limit: whoever costs as much is taken to run into it too."""


@dataclass(frozen=True)
class Cost:
    """Of one training, estimated: what limits of time and memory are about."""

    seconds: float
    parameters: int
    work: float
    """Multiply-adds of one batch."""


@dataclass(frozen=True)
class Failed:
    """A point of some space that failed, on these data or on others."""

    kind: str
    family: str
    settings: Mapping[str, Any]
    cost: Cost | None
    """None where nobody wrote it down."""


def recalled_starts(recalled: Sequence[Recalled], space: Space) -> list[tuple[Candidate, Recalled]]:
    """Points of ``space`` like those that did well elsewhere, in the order recalled; at most three, all different."""
    found: dict[str, tuple[Candidate, Recalled]] = {}
    for one in recalled:
        details = one.insight.details
        if one.insight.kind not in (Kind.RESULT, Kind.PATTERN) or one.insight.demoted_by:
            continue
        if details.get("verdict") == "behind":
            continue
        candidate = _like(details.get("family"), details.get("settings"), space)
        if candidate is not None:
            found.setdefault(candidate.identity, (candidate, one))
    return list(found.values())[:MOST_STARTS]


def in_turn(
    recalled: Sequence[tuple[Candidate, Recalled]], built_in: Sequence[Candidate]
) -> Iterator[tuple[Candidate, Recalled | None]]:
    """The first proposals: one that was recalled, one that is built in, and so on."""
    for place in range(max(len(recalled), len(built_in))):
        yield from recalled[place : place + 1]
        yield from ((one, None) for one in built_in[place : place + 1])


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


def done(recalled: Sequence[Recalled], history: Sequence[Iteration]) -> list[float]:
    """Estimated seconds of trainings that ended in time, elsewhere and here."""
    details = [one.insight.details for one in recalled if one.insight.kind in (Kind.RESULT, Kind.PATTERN)]
    costs = [_cost(one.get("most_done")) for one in details]
    costs += [_cost(one.plan.params.get("cost")) for one in history if one.score is not None]
    return [cost.seconds for cost in costs if cost is not None]


def seconds_to_avoid(failures: Sequence[Failed], in_time: Sequence[float]) -> float:
    """The estimate from which on training is to be expected to run out of time; infinite where nothing did.

    The step that best parts what ran out of time from what did not: the machine may have been busy for a moment, so
    that neither a cheap failure nor a dear success settles it alone. Of equally good ones the highest.
    """
    out = [failure.cost.seconds for failure in failures if failure.kind == FailureKind.TIMEOUT and failure.cost]
    if not out:
        return math.inf
    wrong = {step: sum(one < step for one in out) + sum(one >= step for one in in_time) for step in (*out, math.inf)}
    step = max(sorted(wrong), key=lambda one: (-wrong[one], one))
    below = max((one for one in in_time if one < step), default=0.0)
    return step if math.isinf(step) else max(_CLOSE * step, min(below * 1.01, step))


def is_like(candidate: Candidate, cost: Cost, failure: Failed) -> bool:
    """Whether ``candidate`` is to be expected to fail as ``failure`` did, which was no timeout.

    A limit of memory stops whatever is as large and works as hard, whichever family it is of; training that diverged
    does so again in the same family at the same rate of learning or a higher one.
    """
    if failure.kind == FailureKind.TIMEOUT:
        return False  # see ``seconds_to_avoid``
    if failure.kind == FailureKind.OOM:
        then = failure.cost
        return then is not None and cost.work >= _CLOSE * then.work and cost.parameters >= _CLOSE * then.parameters
    if candidate.family.name != failure.family:
        return False
    if failure.kind == FailureKind.NON_FINITE:
        same = all(candidate.settings.get(name) == failure.settings.get(name) for name in ("optimizer", "norm"))
        return same and _number(candidate.settings.get("lr")) >= _number(failure.settings.get("lr"))
    return dict(candidate.settings) == dict(failure.settings)


def cost_of(candidate: Candidate, space: Space) -> Cost:
    return Cost(
        seconds=round(seconds(candidate, space.problem), 3),
        parameters=candidate.trace.stored,
        work=float(candidate.trace.multiply_adds) * int(candidate.settings["batch_size"]),
    )


def _like(family: Any, settings: Any, space: Space) -> Candidate | None:
    """The point of ``space`` next to one of another data set's space; None where it has no such family."""
    if not isinstance(family, str) or not isinstance(settings, Mapping) or family not in space.families:
        return None
    stated = {str(name): value for name, value in settings.items() if isinstance(value, int | float | str)}
    return space.candidate(family, space.filled(family, stated))


def _cost(found: Any) -> Cost | None:
    """As a journal or a database holds it; None for what is none."""
    names = ("seconds", "parameters", "work")
    if not isinstance(found, Mapping) or not all(isinstance(found.get(name), int | float) for name in names):
        return None
    return Cost(float(found["seconds"]), int(found["parameters"]), float(found["work"]))


def _number(value: Setting | Any) -> float:
    """0 for what is no number: it then teaches nothing."""
    return float(value) if isinstance(value, int | float) else 0.0
