"""Whether one candidate is better than another on the same examples: the paired comparison. Pure.

Model: each candidate's pseudo-values are crossed random effects of seed and example, as in ``intervals``; the seeds of
the two are different models and independent, the examples are the same. The difference of the two means then has the
variance ``A + B - C``: A the sum over both of the variance of seed values / S, B the variance over examples of the
paired difference of their means over seeds / N, C the sum of residual mean squares / (S N), which A and B both hold.
Pairing takes out of B what makes an example hard for both. Exact for means over examples; for other metrics the
pseudo-values make it so to first order.

Much as in ``intervals``, half-width squared = ``t(f)**2 * max(A - 0.6 C, 0) + t(N-1)**2 * B``, each part with its own
quantile (Graybill and Wang 1980), f being Welch's degrees of freedom over the two spreads. The p-value is the tail
probability at which the half-width equals the difference: one-sided, "the new one is no better". Satterthwaite's single
t was simulated beside it and rejects up to .009 at .0026, which Holm's first step asks for among 19.

One seed on one side: ``spread``, pooled over earlier candidates, stands in for what one seed cannot tell; without it
the other side's spread does. One seed on both and no ``spread``: over examples only, and ``method`` says so. No claim
(p-value 1) where the metric has no leave-one-out values, and for the calibration error, whose bins bias two candidates
unequally.

Measured between equal candidates (``tests/scoring/simulated.py``; accuracies .5, .9 and .99, standard deviations over
seeds 0.2 to 4 points, N = 200 and 2,000, S = 3, 5 and 10; 1,400 to 3,000 p-values a cell): a p-value of at most .05 in
2.2 to 5.4%, of at most .0026 in 0 to 0.3%. Searches over 20 equal candidates that claim any improvement at level 0.95
by Holm's correction: 0 to 0.6% of 500; few, because an incumbent was lucky already.

Measured coverage of the interval of the difference at level 0.95, between candidates that truly differ
(``tests/scoring/test_coverage_of_parts.py``, the same settings with true accuracies 2 points apart, 0.3 at .99; 600
experiments a cell): .940 to .987. One seed against three that lend it their spread: .942 to .993; one seed on either
side or on both, with the spread of other candidates: .932 to .977; one seed each, which do not differ, over examples
only: .955 to .962.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from fumehood.records import Comparison, Interval
from fumehood.scoring import seeds
from fumehood.scoring.baseline import Baseline
from fumehood.scoring.intervals import mean_squares
from fumehood.scoring.measured import Floats, Measured
from fumehood.scoring.metrics import METRICS, Metric
from fumehood.scoring.noise import SeedSpread
from fumehood.scoring.seeds import Predictions
from fumehood_shared.messages import Task

_RESIDUAL_TAKEN = 0.6
_SMALLEST_P = 1e-12
"""Nobody has models so right that less would mean anything."""


@dataclass(frozen=True)
class _Parts:
    """Variance of the difference of means, by source, with degrees of freedom; ``seeds`` less the residual's share."""

    seeds: float
    seeds_df: float
    examples: float
    examples_df: float

    @property
    def total(self) -> float:
        return self.seeds + self.examples

    @property
    def df(self) -> float:
        """Satterthwaite's, of the sum (1946)."""
        shares = self.examples**2 / self.examples_df
        shares += self.seeds**2 / self.seeds_df if self.seeds else 0.0
        return self.total**2 / shares

    def half_width(self, p: float) -> float:
        """What the difference exceeds with probability ``p`` by chance."""
        from scipy.special import stdtrit  # see intervals: loaded when there is something to compare

        seeds_part = float(stdtrit(self.seeds_df, 1 - p)) ** 2 * self.seeds if self.seeds else 0.0
        return sqrt(seeds_part + float(stdtrit(self.examples_df, 1 - p)) ** 2 * self.examples)


def compare(
    new: Sequence[Predictions | None],
    old: Sequence[Predictions | None],
    targets: NDArray[np.generic],
    *,
    task: Task,
    metric: str,
    class_names: Sequence[str],
    baseline: Baseline,
    level: float = 0.95,
    spread: SeedSpread | None = None,
) -> Comparison:
    """Compare the predictions of two candidates; arrays, ``metric`` and errors as in ``score.score``.

    The two may have different numbers of seeds. Seeds that cannot be told apart count as one.
    """
    width = seeds.columns(targets, task, class_names)
    measured = []
    for predictions in (new, old):
        found = seeds.outputs(predictions, targets, baseline, width)
        measured.append([seeds.measure_one(metric, found[i], targets, task) for i in seeds.distinct(predictions)])
    return between(METRICS[metric], *measured, level=level, spread=spread)


def between(
    metric: Metric,
    new: Sequence[Measured],
    old: Sequence[Measured],
    *,
    level: float = 0.95,
    spread: SeedSpread | None = None,
) -> Comparison:
    """As ``compare``, from what each distinct seed of the two measured on the same examples in the same order."""
    gain = float(np.mean([m.value for m in new]) - np.mean([m.value for m in old]))
    difference = gain if metric.direction == "max" else -gain
    stacks = _stacks(new), _stacks(old)
    if metric.scale == "upper" or stacks[0] is None or stacks[1] is None:
        why = "bins bias it" if metric.scale == "upper" else "no leave-one-out values"
        return _told(metric, difference, None, 1.0, None, f"no claim: {why}")
    parts = _parts(stacks[0], stacks[1], _values(new), _values(old), spread)
    half = parts.half_width((1 - level) / 2)
    method = f"paired comparison, {_sources(len(new), len(old), spread)}"
    interval = Interval(low=difference - half, high=difference + half, level=level, method=method)
    return _told(metric, difference, parts, _p_value(difference, parts), interval, method)


def _told(
    metric: Metric, difference: float, parts: _Parts | None, p_value: float, interval: Interval | None, method: str
) -> Comparison:
    known = parts is not None and parts.total > 0
    return Comparison(
        metric=metric.name,
        difference=difference,
        standard_error=sqrt(parts.total) if parts is not None and known else None,
        df=parts.df if parts is not None and known else None,
        p_value=p_value,
        interval=interval if known else None,
        method=method,
    )


def _sources(new: int, old: int, spread: SeedSpread | None) -> str:
    if new > 1 and old > 1:
        return "seeds and examples"
    if spread is not None:
        return "seeds and examples (one seed, the spread of other candidates)"
    return (
        "seeds and examples (one seed, the other's spread)" if new > 1 or old > 1 else "examples only (one seed each)"
    )


def _stacks(measured: Sequence[Measured]) -> Floats | None:
    """Pseudo-values, S x N."""
    known = [m.pseudo for m in measured if m.pseudo is not None and np.isfinite(m.pseudo).all()]
    return np.stack(known) if len(known) == len(measured) else None


def _values(measured: Sequence[Measured]) -> Floats:
    return np.array([m.value for m in measured])


def _parts(new: Floats, old: Floats, new_values: Floats, old_values: Floats, spread: SeedSpread | None) -> _Parts:
    n = new.shape[1]
    paired = new.mean(axis=0) - old.mean(axis=0)
    variance, df = _of_seeds(new_values, old_values, spread)
    residual = mean_squares(new_values, new).c + mean_squares(old_values, old).c
    return _Parts(
        seeds=max(variance - _RESIDUAL_TAKEN * residual, 0.0),
        seeds_df=df,
        examples=float(paired.var(ddof=1)) / n,
        examples_df=n - 1,
    )


def _of_seeds(new: Floats, old: Floats, spread: SeedSpread | None) -> tuple[float, float]:
    """Variance of the difference from which seeds were drawn, and its degrees of freedom (Welch 1947)."""
    sides = [(float(v.var(ddof=1)), len(v)) for v in (new, old) if len(v) > 1]
    if len(sides) == 1 and spread is None:
        return sides[0][0] * (1 / len(new) + 1 / len(old)), sides[0][1] - 1.0
    terms = [(variance / s, s - 1.0) for variance, s in sides]
    lone = sum(len(v) == 1 for v in (new, old))
    if lone and spread is not None:
        terms.append((lone * spread.std**2, spread.df))
    total = sum(variance for variance, _ in terms)
    if total == 0.0:
        return 0.0, 1.0
    return total, total**2 / sum(variance**2 / df for variance, df in terms)


def _p_value(difference: float, parts: _Parts) -> float:
    """The one-sided p at which the half-width is ``difference``."""
    if difference <= 0 and parts.total == 0.0:
        return 1.0
    if parts.total == 0.0:  # every example differs alike: the sign test
        return max(float(0.5 ** (parts.examples_df + 1)), _SMALLEST_P)
    from scipy.optimize import brentq

    size = abs(difference)
    if parts.half_width(_SMALLEST_P) <= size:
        tail = _SMALLEST_P
    else:
        tail = float(brentq(lambda p: parts.half_width(p) - size, _SMALLEST_P, 0.5, xtol=_SMALLEST_P))
    return tail if difference > 0 else 1 - tail
