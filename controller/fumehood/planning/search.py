"""The built-in planner: a few good starts, then Optuna's tree-structured Parzen estimator around what scored well.

``propose`` is a pure function of seed, goal, data set and history; what the object keeps between calls is a cache that
is checked against the history and rebuilt where it does not match. The same network and recipe are never proposed
twice. Plans of other planners in the history count against repetition but teach this one nothing.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from fumehood.planning import wording
from fumehood.planning.knobs import Problem, Setting, problem_of
from fumehood.planning.space import Candidate, Space, identity
from fumehood.records import Dataset, Goal, Iteration, MetricSummary, Plan

if TYPE_CHECKING:
    from fumehood.planning.study import Draws, SearchStudy

LIKELY_DRAWS: Final = 10
"""Draws that follow the scores, before uniform ones are tried."""
MAX_DRAWS: Final = 10_000


@dataclass(frozen=True)
class _Entry:
    """An iteration as the planner sees it: which network, whose settings, which score."""

    identity: str
    family: str
    settings: tuple[tuple[str, Setting], ...] | None
    """None where the plan is not a point of this planner's space."""
    value: float | None


class SearchPlanner:
    """Proposes networks for images and tabular data. Raises UsageError for token sequences.

    ``max_draws``: so many draws in a row that give nothing new mean that the space is exhausted.
    """

    def __init__(self, seed: int, max_draws: int = MAX_DRAWS) -> None:
        from fumehood.planning.study import SearchStudy  # Optuna takes half a second to import

        self._seed, self._max_draws = seed, max_draws
        self._new_study: Callable[..., SearchStudy] = SearchStudy
        self._cache: _Cache | None = None

    def propose(self, goal: Goal, dataset: Dataset, history: Sequence[Iteration]) -> Plan | None:
        """The next plan; None when ``max_draws`` draws gave nothing new. Raises UsageError if no network fits."""
        cache = self._cached(goal, dataset)
        entries = [_entry(iteration, cache.space) for iteration in history]
        cache.learn(entries)
        tried = {entry.identity for entry in entries}
        number = len(entries) + 1
        for start in cache.starts:
            if start.identity not in tried:
                return _plan(start, wording.why_first(start, number, cache.problem.rows), number)
        draws = cache.study.draws(_seed_of(self._seed, number))
        candidate, likely = _new_candidate(cache.space, draws, tried, self._max_draws)
        if candidate is None:
            return None
        why = _why(cache.goal, candidate, history, entries) if likely else wording.why_anywhere(candidate)
        return _plan(candidate, why, number)

    def _cached(self, goal: Goal, dataset: Dataset) -> "_Cache":
        if self._cache is None or (self._cache.goal, self._cache.dataset) != (goal, dataset):
            self._cache = _Cache(goal, dataset, self._new_study)
        return self._cache


class _Cache:
    """Space and study of one question, with what the study has been told."""

    def __init__(self, goal: Goal, dataset: Dataset, new_study: "Callable[..., SearchStudy]") -> None:
        self.goal, self.dataset = goal, dataset
        self.problem: Problem = problem_of(dataset)
        self.space = Space(goal, self.problem)
        self.starts = self.space.starts()
        self._new_study = new_study
        self._told: list[_Entry] = []
        self.study = self._fresh()

    def learn(self, entries: list[_Entry]) -> None:
        """Tell the study what it has not been told; start over where ``entries`` do not continue what it knows."""
        if entries[: len(self._told)] != self._told:
            self.study, self._told = self._fresh(), []
        for entry in entries[len(self._told) :]:
            if entry.settings is not None:
                self.study.tell(entry.family, dict(entry.settings), entry.value)
        self._told = list(entries)

    def _fresh(self) -> "SearchStudy":
        return self._new_study(self.space, self.goal.direction)


def _why(goal: Goal, candidate: Candidate, history: Sequence[Iteration], entries: list[_Entry]) -> str:
    """Why a drawn candidate: compared with the best iteration so far."""
    best = _best(goal, entries)
    if best is None:
        return wording.why_drawn(candidate, None, None, 0.0, 0)
    entry = entries[best]
    same = dict(entry.settings) if entry.settings and entry.family == candidate.family.name else None
    told = sum(e.value is not None for e in entries)
    return wording.why_drawn(candidate, same, history[best], entry.value or 0.0, told)


def _new_candidate(space: Space, draws: "Draws", tried: set[str], most: int) -> tuple[Candidate | None, bool]:
    """A candidate that was not tried, and whether it was drawn by the scores; None after ``most`` draws."""
    seen: set[tuple[object, ...]] = set()
    for attempt in range(most):
        likely = attempt < LIKELY_DRAWS
        family, settings = draws.likely() if likely else draws.uniform()
        point = (family, *settings.values())
        if point in seen:
            continue
        seen.add(point)
        candidate = space.candidate(family, settings)
        if candidate is not None and candidate.identity not in tried:
            return candidate, likely
    return None, False


def _best(goal: Goal, entries: list[_Entry]) -> int | None:
    """Place of the earliest entry with the best rounded score."""
    sign = 1.0 if goal.direction == "max" else -1.0
    scored = [(sign * entry.value, -place) for place, entry in enumerate(entries) if entry.value is not None]
    return -max(scored)[1] if scored else None


def _plan(candidate: Candidate, rationale: str, number: int) -> Plan:
    return Plan(
        family=candidate.family.name,
        title=wording.title(candidate),
        rationale=rationale,
        model_config_=candidate.model_config,
        recipe=candidate.recipe,
        params={"planner": "search", "proposal": number, "settings": dict(candidate.settings)},
    )


def _entry(iteration: Iteration, space: Space) -> _Entry:
    plan = iteration.plan
    settings: Any = plan.params.get("settings")
    ours = plan.params.get("planner") == "search" and isinstance(settings, dict) and space.holds(plan.family, settings)
    value = None if iteration.score is None else rounded(iteration.score.primary)
    return _Entry(
        identity(plan.model_config_, plan.recipe), plan.family, tuple(settings.items()) if ours else None, value
    )


def rounded(summary: MetricSummary) -> float:
    """The mean, rounded to a quarter of its interval's half-width: finer differences are noise.

    Steps are powers of two, so that scores with different noise still fall on common values.
    """
    if summary.interval is None:
        return summary.mean
    noise = (summary.interval.high - summary.interval.low) / 8
    if noise <= 0:
        return summary.mean
    step = 2.0 ** math.floor(math.log2(noise))
    return round(summary.mean / step) * step


def _seed_of(seed: int, number: int) -> int:
    """A seed of its own for every proposal, the same wherever the run is resumed."""
    return int.from_bytes(sha256(f"search:{seed}:{number}".encode()).digest()[:8], "big")
