"""From pairs of searches, with and without memory, to what memory saves, with intervals. Pure.

Intervals are 95% percentile bootstraps over families of tasks (Davison and Hinkley, 1997): families are drawn with
replacement, each with all of its pairs, because pairs of one family are alike.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

LEVEL: Final = 0.95
_DRAWS: Final = 10_000
ENOUGH_FAILURES: Final = 30
"""Without memory; fewer say nothing about how many are saved."""


@dataclass(frozen=True)
class Search:
    """What one search brought, one entry an iteration; larger scores are better."""

    scores: tuple[float | None, ...]
    """On validation; None where every seed failed."""
    failures: tuple[str, ...]
    """Kind of failure; empty where a seed survived."""

    def reaches(self, target: float) -> int:
        """Iterations that it takes to a score of ``target``; one more than there were where it is not reached."""
        reached = (n for n, score in enumerate(self.scores, start=1) if score is not None and score >= target)
        return next(reached, len(self.scores) + 1)

    @property
    def best(self) -> float:
        return max((score for score in self.scores if score is not None), default=float("nan"))

    def repeated(self, known: frozenset[str]) -> int:
        """Failures of a kind that earlier searches on other tasks met."""
        return sum(kind in known for kind in self.failures)


@dataclass(frozen=True)
class Pair:
    """The same task, the same seeds; ``known``: kinds of failure in the searches that the memory was filled from."""

    task: str
    seed: int
    target: float
    without: Search
    with_memory: Search
    known: frozenset[str]

    @property
    def family(self) -> str:
        """The task's name without its number."""
        return self.task.rpartition("-")[0] or self.task

    @property
    def iterations_saved(self) -> float:
        """As a share of those without memory; negative where memory cost some."""
        return 1 - self.with_memory.reaches(self.target) / self.without.reaches(self.target)


def summary(pairs: Sequence[Pair]) -> dict[str, Any]:
    """``repeated_failures_saved`` is None, and says so, where too few failed without memory."""
    failed = sum(pair.without.repeated(pair.known) for pair in pairs)
    still = sum(pair.with_memory.repeated(pair.known) for pair in pairs)
    saved = {
        "median": _failures_saved(pairs),
        "interval": _interval(pairs, _failures_saved),
        "without": failed,
        "with": still,
    }
    if failed < ENOUGH_FAILURES:
        saved |= {"median": None, "interval": None, "why": f"inconclusive: {failed} failures without memory"}
    return {
        "iterations_saved": {
            "median": _median(pairs),
            "interval": _interval(pairs, _median),
            "mean": _mean(pairs),
            "interval_of_mean": _interval(pairs, _mean),
            "in_all": _in_all(pairs),
            "interval_in_all": _interval(pairs, _in_all),
        },
        "repeated_failures_saved": saved,
        "best_score_gained": {"mean": _gained(pairs), "interval": _interval(pairs, _gained)},
        "pairs": len(pairs),
        "tasks": dict(sorted(Counter(pair.task for pair in pairs).items())),
        "method": f"{LEVEL:.0%} percentile bootstrap over families of tasks, {_DRAWS} draws; failures: of all together",
    }


def table(found: Mapping[str, Any]) -> Iterator[str]:
    """``summary`` for people, a line a figure."""
    iterations, failures = found["iterations_saved"], found["repeated_failures_saved"]
    yield _line("iterations saved, median of the pairs", iterations["median"], iterations["interval"])
    yield _line("iterations saved, mean of the pairs", iterations["mean"], iterations["interval_of_mean"])
    yield _line("iterations saved, of all together", iterations["in_all"], iterations["interval_in_all"])
    yield _line("repeated failures saved", failures["median"], failures["interval"]) + (
        f"  ({failures['without']} -> {failures['with']}; {failures.get('why', 'of all together')})"
    )
    gained = found["best_score_gained"]
    yield _line("best score gained", gained["mean"], gained["interval"])


def _line(name: str, value: float | None, interval: Sequence[float] | None) -> str:
    said = "inconclusive" if value is None else f"{value:.3f}"
    return f"{name:>40}  {said}" + ("" if interval is None else f"  [{interval[0]:.3f}, {interval[1]:.3f}]")


def _median(pairs: Sequence[Pair]) -> float:
    return float(np.median([pair.iterations_saved for pair in pairs]))


def _mean(pairs: Sequence[Pair]) -> float:
    return float(np.mean([pair.iterations_saved for pair in pairs]))


def _in_all(pairs: Sequence[Pair]) -> float:
    """Of all iterations that all searches together take to their targets."""
    return 1 - sum(p.with_memory.reaches(p.target) for p in pairs) / sum(p.without.reaches(p.target) for p in pairs)


def _failures_saved(pairs: Sequence[Pair]) -> float:
    """As a share of all repeated failures without memory; NaN where there were none."""
    failed = sum(pair.without.repeated(pair.known) for pair in pairs)
    return 1 - sum(pair.with_memory.repeated(pair.known) for pair in pairs) / failed if failed else float("nan")


def _gained(pairs: Sequence[Pair]) -> float:
    """Best score at equal iterations, in the metric's units (accuracy and R2 alike run to 1)."""
    return float(np.nanmean([pair.with_memory.best - pair.without.best for pair in pairs]))


def _interval(pairs: Sequence[Pair], statistic: Callable[[Sequence[Pair]], float]) -> list[float] | None:
    """None with a single family, or where nothing can be computed."""
    by_family: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_family.setdefault(pair.family, []).append(pair)
    if len(by_family) < 2:
        return None
    random, groups = np.random.default_rng(0), list(by_family.values())
    draws = [
        statistic([pair for place in random.integers(0, len(groups), len(groups)) for pair in groups[place]])
        for _ in range(_DRAWS)
    ]
    known = [draw for draw in draws if not np.isnan(draw)]
    if len(known) < _DRAWS / 2:
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return [float(low), float(high)]
