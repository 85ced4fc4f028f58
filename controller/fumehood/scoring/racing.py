"""When a candidate gets no more seeds: it is clearly worse than the incumbent after its first ones. Pure.

The question is not whether it is worse in truth, but whether the seeds still to come could change what the search does
with it. Those seeds are measured on the same examples, and the incumbent's score is known; so only the mean that the
candidate would have over all its planned seeds is unknown. With k of n seeds measured, of mean m, that mean lies below
``m + t * s * sqrt(1/k - 1/n)`` with probability ``level`` (prediction of a mean of further draws: Hahn, Factors for
Calculating Two-Sided Prediction Intervals, 1969; here one-sided). A candidate whose upper limit does not reach the
incumbent's mean is clearly worse.

The standard deviation s over seeds comes from ``spread``, pooled over the candidates of the run that have several, with
its degrees of freedom; so one seed is enough to judge by. It counts as no smaller than the paired comparison on the
examples says: the standard error over examples of the difference between a seed of this candidate and the incumbent,
which is what two models of equal quality would differ by if nothing they get wrong were shared. That guards against a
spread of 0 (candidates that are all perfect, say) and against a candidate that is less stable than those before it.
Without a ``spread`` that standard error stands alone.

A failed seed counts as the baseline predictor and says nothing about the seeds to come; where all failed, each of those
is taken to reach the best value there is, so that only what cannot be made up for is clearly worse.

Measured over 300 simulated searches each, 20 candidates, probit model of ``tests/scoring/simulated.py``, which
``tests/scoring/test_racing.py`` draws again: how often the truly best candidate was picked with all seeds and with
racing, and the share of the seeds that racing ran.

examples  seeds  mean  sd over candidates  sd over seeds   all seeds  raced  seeds run
     114      3   .95          2.0 points     0.8 points        .403   .403        63%
     360      3   .93          3.0 points     0.8 points        .673   .673        56%
     360      3   .95          3.0 points     0.5 points        .670   .670        55%
     360      5   .93          3.0 points     0.8 points        .700   .697        43%
   2,000      3   .90          2.0 points     0.5 points        .787   .787        51%
   2,000      3   .90          1.0 point      0.5 points        .577   .580        57%
   2,000      5   .90          3.0 points     1.0 point         .810   .807        40%

The nearer the candidates are to one another, beside the noise, the fewer can be given up; of three seeds the first is a
third already.
"""

from collections.abc import Sequence
from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray

from fumehood.errors import InternalError
from fumehood.scoring import seeds
from fumehood.scoring.baseline import Baseline
from fumehood.scoring.measured import Measured
from fumehood.scoring.metrics import METRICS, Metric
from fumehood.scoring.noise import SeedSpread
from fumehood.scoring.seeds import Predictions
from fumehood_shared.messages import Task

LEVEL = 0.95
"""A candidate that would have beaten the incumbent with all its seeds is given up in at most one case in twenty."""


def clearly_worse(
    new: Sequence[Predictions | None],
    incumbent: Sequence[Predictions | None],
    targets: NDArray[np.generic],
    *,
    task: Task,
    metric: str,
    class_names: Sequence[str],
    baseline: Baseline,
    spread: SeedSpread | None,
    planned: int,
    level: float = LEVEL,
) -> bool:
    """Whether a candidate needs no more seeds than the ones it has in ``new``.

    ``new``: predictions of its first seeds, None where one failed; ``incumbent``: of all seeds of the incumbent; both
    on the validation examples of ``targets``. Arrays, ``metric`` and errors as in ``score.score``. ``spread``:
    ``noise.pooled_seed_std`` of the values of the candidates before, incumbent included. ``planned``: how many seeds
    the candidate would have in all.
    """
    width = seeds.columns(targets, task, class_names)
    sides = [seeds.outputs(p, targets, baseline, width) for p in (new, incumbent)]
    measured = [[seeds.measure_one(metric, o, targets, task) for o in side] for side in sides]
    alive = [p is not None for p in new]
    return worse(METRICS[metric], *measured, alive=alive, spread=spread, planned=planned, level=level)


def worse(
    metric: Metric,
    new: Sequence[Measured],
    incumbent: Sequence[Measured],
    *,
    alive: Sequence[bool],
    spread: SeedSpread | None,
    planned: int,
    level: float = LEVEL,
) -> bool:
    """As ``clearly_worse``, from what each seed measured; ``alive``: which of ``new`` did not fail."""
    if not new or len(new) > planned:
        raise InternalError(f"{len(new)} of {planned} planned seeds cannot be judged.")
    sign = 1.0 if metric.direction == "max" else -1.0
    to_reach = sign * float(np.mean([m.value for m in incumbent]))
    rest = planned - len(new)
    have = sign * sum(m.value for m in new)
    hoped = _hoped(metric, [m for m, ok in zip(new, alive, strict=True) if ok], incumbent, spread, rest, level)
    return (have + (rest * hoped if rest else 0.0)) / planned < to_reach


def _hoped(
    metric: Metric,
    new: Sequence[Measured],
    incumbent: Sequence[Measured],
    spread: SeedSpread | None,
    rest: int,
    level: float,
) -> float:
    """Upper limit of the mean over ``rest`` further seeds, larger being better whatever the metric's direction."""
    sign, best = (1.0, metric.high) if metric.direction == "max" else (-1.0, -metric.low)
    if not new or not rest:
        return best
    mean = sign * float(np.mean([m.value for m in new]))
    return min(mean + _quantile_times_std(new, incumbent, spread, level) * sqrt(1 / len(new) + 1 / rest), best)


def _quantile_times_std(
    new: Sequence[Measured], incumbent: Sequence[Measured], spread: SeedSpread | None, level: float
) -> float:
    from scipy.special import stdtrit  # see intervals: loaded when there is something to judge

    paired = _paired_error(new, incumbent)
    known = [] if spread is None else [float(stdtrit(spread.df, level)) * spread.std]
    return max([*known, *([] if paired is None else [float(stdtrit(paired[1], level)) * paired[0]])], default=inf)


def _paired_error(new: Sequence[Measured], incumbent: Sequence[Measured]) -> tuple[float, int] | None:
    """Standard error over examples of the difference of one seed and the incumbent, with degrees of freedom."""
    theirs = [m.pseudo for m in incumbent]
    known = [p for p in theirs if p is not None]
    ours = [m.pseudo for m in new if m.pseudo is not None]
    if len(known) < len(theirs) or not ours:
        return None
    middle, n = np.mean(known, axis=0), known[0].size
    return sqrt(float(np.mean([(p - middle).var(ddof=1) for p in ours])) / n), n - 1
