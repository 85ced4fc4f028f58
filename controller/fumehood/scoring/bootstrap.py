"""The percentile and the BCa bootstrap over seeds and examples, for comparison only.

Over a few seeds both cover far less than their level where the seeds differ, because three seeds redrawn with
replacement are too alike, and more than it where they do not, because the noise of a single answer is redrawn with the
seeds and with the examples. Reports show them beside the interval that claims rest on (``intervals``), where people
look for them. scipy's ``bootstrap`` redraws one sample, or several independent ones, and not two that are crossed.

Measured coverage at level 0.95 of the mean accuracy over seeds and examples, in the experiments of ``intervals`` (means
.5, .9 and .99, standard deviations over seeds 0.2 to 4 points, 1 point at most for .99; 240 to 1,200 experiments of 300
to 500 draws a cell); lowest and highest:

                     percentile                                BCa
N            S = 3       S = 5       S = 10        S = 3       S = 5       S = 10
   200    .880 .981   .908 .978   .927 .981     .922 .980   .948 .982   .955 .983
10,000    .629 .950   .808 .975   .829 .967     .658 .958   .833 .979   .850 .967

One seed, of its own accuracy, N = 200 and 2,000: percentile .858 to .968, BCa .855 to .975.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fumehood.records import Interval
from fumehood.scoring.measured import Floats, Measured
from fumehood.scoring.metrics import Metric

DRAWS = 2000
SEED = 20_240_229
"""Of the generator, which is begun anew for every score."""
_CHUNK = 64
_KEPT_BYTES = 32 * 1024 * 1024
"""Draws that are kept for the next call: those of 16,000 examples. Larger ones are drawn again every time."""

Counts = NDArray[np.uint8]
"""How often each draw has each example, draws x N. Odds of one that comes up 256 times in a draw: 1 to 256!."""


def intervals(metric: Metric, seeds: Sequence[Measured], level: float, draws: int = DRAWS) -> tuple[Interval, ...]:
    """The percentile and the BCa interval of the mean, from the same draws; the draws are the same at every call.

    Exact for metrics that are means over examples; for others each draw is the mean of jackknife pseudo-values, which
    is the metric to first order. None at all where pseudo-values are not defined.
    """
    pseudo = [s.pseudo for s in seeds]
    known = [p for p in pseudo if p is not None]
    if len(known) < len(pseudo) or not all(np.isfinite(p).all() for p in known):
        return ()
    values = np.array([s.value for s in seeds])
    centred = np.stack(known, axis=1)
    centred = centred - centred.mean(axis=0) + values
    means = _redrawn(centred, draws)
    ends = np.array([(1 - level) / 2, (1 + level) / 2])
    over = "seeds and examples" if len(seeds) > 1 else "examples only (one seed)"
    return (
        _interval(metric, means, ends, level, f"percentile bootstrap, {over}"),
        _interval(metric, means, _corrected(means, centred, ends), level, f"BCa bootstrap, {over}"),
    )


def _interval(metric: Metric, means: Floats, ends: Floats, level: float, method: str) -> Interval:
    low, high = np.clip(np.quantile(means, ends), metric.low, metric.high)
    return Interval(low=float(low), high=float(high), level=level, method=method)


def _corrected(means: Floats, pseudo: Floats, ends: Floats) -> Floats:
    """Probabilities at which BCa reads the draws off, in place of ``ends`` (Efron 1987).

    The bias correction is the normal quantile of the share of draws below the mean, ties counting half. The
    acceleration joins the jackknife's influences of both samples, seeds and examples (Davison and Hinkley, Bootstrap
    Methods and their Application, 1997, section 5.3.2 for several samples).
    """
    from scipy.special import ndtr, ndtri  # see intervals: loaded when there is something to score

    mean, draws = pseudo.mean(), len(means)
    tied = np.abs(means - mean) <= 1e-12 * max(1.0, abs(float(mean)))
    below = np.count_nonzero((means < mean) & ~tied) + np.count_nonzero(tied) / 2
    bias = ndtri(np.clip(below / draws, 0.5 / draws, 1 - 0.5 / draws))
    parts = [(x - mean) / len(x) for x in (pseudo.mean(axis=1), pseudo.mean(axis=0))]
    squares = sum(float(np.sum(x**2)) for x in parts)
    cubes = sum(float(np.sum(x**3)) for x in parts)
    acceleration = cubes / (6 * squares**1.5) if squares > 0 else 0.0
    shifted = bias + ndtri(ends)
    corrected: Floats = ndtr(bias + shifted / (1 - acceleration * shifted))
    return corrected


def _redrawn(pseudo: Floats, draws: int) -> Floats:
    """``draws`` means of ``pseudo`` (N x S), each over N examples and S seeds drawn with replacement."""
    n, s = pseudo.shape
    counts, rng = _kept(n, draws) if n * draws <= _KEPT_BYTES else _drawn(n, draws)
    by_seed = np.concatenate([chunk.astype(np.float64) @ pseudo / n for chunk in counts])
    chosen = rng.integers(0, s, size=(draws, s))
    means: Floats = np.take_along_axis(by_seed, chosen, axis=1).mean(axis=1)
    return means


def _kept(n: int, draws: int) -> tuple[Iterable[Counts], np.random.Generator]:
    """The same as ``_drawn``: all candidates of a run are redrawn alike, and drawing is most of the work."""
    counts, state = _last(n, draws)
    rng = np.random.default_rng()
    rng.bit_generator.state = state
    return counts, rng


@lru_cache(maxsize=1)
def _last(n: int, draws: int) -> tuple[tuple[Counts, ...], Mapping[str, Any]]:
    counts, rng = _drawn(n, draws)
    return tuple(counts), rng.bit_generator.state


def _drawn(n: int, draws: int) -> tuple[Iterable[Counts], np.random.Generator]:
    """How often each example was drawn, in chunks of draws; once they are read, the generator to go on with."""
    rng = np.random.default_rng(SEED)
    return (_counts(rng, n, min(_CHUNK, draws - k)) for k in range(0, draws, _CHUNK)), rng


def _counts(rng: np.random.Generator, n: int, draws: int) -> Counts:
    drawn = rng.integers(0, n, size=(draws, n))
    drawn += np.arange(0, draws * n, n)[:, None]
    return np.bincount(drawn.ravel(), minlength=draws * n).reshape(draws, n).astype(np.uint8)
