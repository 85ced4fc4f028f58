"""The built-in planner: a few good starts, then Optuna's tree-structured Parzen estimator around what scored well.

``propose`` is a pure function of seed, goal, data set, history and pending plans; what the object keeps between calls
is a cache that is checked against the history and rebuilt where it does not match. The same network and recipe are
never proposed twice. What is pending is taken to turn out badly until its score is known (a "constant liar"), so that a
search looks in several places at once. What earlier runs found out on similar data is tried in turn with the built-in
starts, and what failed there, or in this run, is kept away from (``lessons``). Plans of other planners in the history
count against repetition but teach this one nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from fumehood.memory.likeness import fingerprint
from fumehood.planning import lessons, wording
from fumehood.planning.knobs import Problem, Setting, problem_of
from fumehood.planning.space import Candidate, Space, identity
from fumehood.records import Dataset, Goal, Iteration, Plan
from fumehood.records.insight import Recalled
from fumehood.rounding import rounded

if TYPE_CHECKING:
    from fumehood.planning.study import Draws, SearchStudy

LIKELY_DRAWS: Final = 10
"""Draws that follow the scores, before uniform ones are tried."""
LATE_DRAWS: Final = 2
"""The same for a search so long that its study is thinned out: by then most of them were tried already, and each one
costs as much as scoring a candidate."""
MAX_DRAWS: Final = 10_000
WARY_DRAWS: Final = 200
"""Draws that look for a candidate that nothing warns of."""


class SearchPlanner:
    """Proposes networks for images, tabular data and texts.

    ``max_draws``: so many draws in a row that give nothing new mean that the space is exhausted.
    """

    def __init__(self, seed: int, max_draws: int = MAX_DRAWS) -> None:
        from fumehood.planning.study import MOST, SearchStudy  # Optuna takes half a second to import

        self._seed, self._max_draws, self._early = seed, max_draws, MOST
        self._new_study: Callable[..., SearchStudy] = SearchStudy
        self._cache: _Cache | None = None

    def propose(
        self,
        goal: Goal,
        dataset: Dataset,
        history: Sequence[Iteration],
        pending: Sequence[Plan],
        recalled: Sequence[Recalled] = (),
    ) -> Plan | None:
        """The next plan; None when ``max_draws`` draws gave nothing new. Raises UsageError if no network fits."""
        cache = self._cached(goal, dataset)
        cache.learn(history)
        under_way = {identity(plan.model_config_, plan.recipe) for plan in pending}
        number = len(history) + len(pending) + 1

        def is_new(candidate: Candidate) -> bool:
            return candidate.identity not in under_way and candidate.identity not in cache.tried

        warnings = lessons.Warnings(
            [*lessons.failures(recalled), *cache.failed], [*lessons.done(recalled, ()), *cache.done]
        )

        def is_safe(candidate: Candidate) -> bool:
            return not warnings.apply_to(candidate, lessons.cost_of(candidate, cache.space))

        found = lessons.recalled_starts(recalled, cache.space)
        for start, source in lessons.in_turn(found, cache.starts, cache.data):
            if is_new(start) and is_safe(start):
                return self._start(cache, start, source, number)
        points = [(plan.family, point) for plan in pending if (point := _settings(plan, cache.space)) is not None]
        draws = cache.study.draws(_seed_of(self._seed, number), points)
        most_likely = LIKELY_DRAWS if number <= self._early else LATE_DRAWS
        candidate, likely = _new_candidate(cache.space, draws, is_new, is_safe, most_likely, self._max_draws)
        if candidate is None:
            return None
        why = cache.why(candidate) if likely else wording.why_anywhere(candidate)
        return _plan(candidate, cache.space, why, number)

    def _start(self, cache: "_Cache", start: Candidate, source: Recalled | None, number: int) -> Plan:
        if source is None:
            plan = _plan(start, cache.space, wording.why_first(start, number, cache.problem.rows), number)
            noted: dict[str, Any] = {lessons.START: cache.starts.index(start)}
        else:
            plan = _plan(start, cache.space, wording.why_recalled(start, source), number)
            noted = {"recalled": source.insight.id}
        return plan.model_copy(update={"params": {**plan.params, **noted}})

    def _cached(self, goal: Goal, dataset: Dataset) -> "_Cache":
        if self._cache is None or (self._cache.goal, self._cache.dataset) != (goal, dataset):
            self._cache = _Cache(goal, dataset, self._new_study)
        return self._cache


class _Cache:
    """Space and study of one question, with what was learned from a history."""

    def __init__(self, goal: Goal, dataset: Dataset, new_study: "Callable[..., SearchStudy]") -> None:
        self.goal, self.dataset = goal, dataset
        self.problem: Problem = problem_of(dataset)
        self.data = fingerprint(dataset)
        self.space = Space(goal, self.problem)
        self.starts = self.space.starts()
        self._new_study = new_study
        self._forget()

    def _forget(self) -> None:
        self.study = self._new_study(self.space, self.goal.direction)
        self.tried: set[str] = set()
        """Identities."""
        self._history: Sequence[Iteration] = ()
        self._best: tuple[Iteration, float] | None = None
        """The earliest iteration with the best rounded score, and that score."""
        self._measured = 0
        self.failed: list[lessons.Failed] = []
        self.done: list[tuple[str, lessons.Cost]] = []
        """Family and cost of trainings that came to their end."""

    def learn(self, history: Sequence[Iteration]) -> None:
        """Take in what is new; start over where ``history`` does not continue what is known."""
        if self._history and history[: len(self._history)] != self._history:
            self._forget()
        for iteration in history[len(self._history) :]:
            self._take_in(iteration)
        self._history = history[:]

    def _take_in(self, iteration: Iteration) -> None:
        plan, settings = iteration.plan, _settings(iteration.plan, self.space)
        value = None if iteration.score is None else rounded(iteration.score.primary)
        self.tried.add(identity(plan.model_config_, plan.recipe))
        if settings is not None:
            self.study.tell(plan.family, settings, value)
            failure = lessons.failed(iteration)
            self.failed += [failure] if failure else []
            self.done += lessons.done((), [iteration])
        if value is not None:
            self._measured += 1
            if self._best is None or (value - self._best[1]) * (1 if self.goal.direction == "max" else -1) > 0:
                self._best = iteration, value

    def why(self, candidate: Candidate) -> str:
        """Why a drawn candidate: compared with the best iteration so far."""
        if self._best is None:
            return wording.why_drawn(candidate, None, None, 0.0, 0)
        best, value = self._best
        same = _settings(best.plan, self.space) if best.plan.family == candidate.family.name else None
        return wording.why_drawn(candidate, same, best, value, self._measured)


def _new_candidate(
    space: Space,
    draws: "Draws",
    is_new: Callable[[Candidate], bool],
    is_safe: Callable[[Candidate], bool],
    most_likely: int,
    most: int,
) -> tuple[Candidate | None, bool]:
    """A candidate that is new, and whether it was drawn by the scores; None after ``most`` draws.

    One that is to be expected to fail is taken only where ``WARY_DRAWS`` gave no other.
    """
    seen: set[tuple[object, ...]] = set()
    unsafe: tuple[Candidate, bool] | None = None
    for attempt in range(most):
        if unsafe is not None and attempt >= WARY_DRAWS:
            return unsafe
        likely = attempt < most_likely
        family, settings = draws.likely() if likely else draws.uniform()
        point = (family, *settings.values())
        if point in seen:
            continue
        seen.add(point)
        candidate = space.candidate(family, settings)
        if candidate is not None and is_new(candidate):
            if is_safe(candidate):
                return candidate, likely
            unsafe = unsafe or (candidate, likely)
    return unsafe or (None, False)


def _plan(candidate: Candidate, space: Space, rationale: str, number: int) -> Plan:
    return Plan(
        family=candidate.family.name,
        title=wording.title(candidate),
        rationale=rationale,
        model_config_=candidate.model_config,
        recipe=candidate.recipe,
        params={
            "planner": "search",
            "proposal": number,
            "settings": dict(candidate.settings),
            "cost": asdict(lessons.cost_of(candidate, space)),
        },
    )


def _settings(plan: Plan, space: Space) -> dict[str, Setting] | None:
    """Where in the space a plan of this planner lies; None for another's, and where the space has no such point."""
    settings: Any = plan.params.get("settings")
    ours = plan.params.get("planner") == "search" and isinstance(settings, dict) and space.holds(plan.family, settings)
    return settings if ours else None


def _seed_of(seed: int, number: int) -> int:
    """A seed of its own for every proposal, the same wherever the run is resumed."""
    return int.from_bytes(sha256(f"search:{seed}:{number}".encode()).digest()[:8], "big")
