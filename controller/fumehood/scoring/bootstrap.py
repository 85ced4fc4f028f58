"""The percentile bootstrap over seeds and examples, for comparison only.

Over three seeds it covers far less than its level, because three seeds redrawn with replacement are too alike; reports
show it beside the interval that claims rest on (``intervals``), where people look for it.
"""

from collections.abc import Sequence

import numpy as np

from fumehood.records import Interval
from fumehood.scoring.measured import Floats, Measured
from fumehood.scoring.metrics import Metric

DRAWS = 2000
_CHUNK = 64
_SEED = 20_240_229


def percentile(metric: Metric, seeds: Sequence[Measured], level: float, draws: int = DRAWS) -> Interval | None:
    """Percentiles of the mean with seeds and examples both redrawn; the draws are the same at every call.

    Exact for metrics that are means over examples; for others each draw is the mean of jackknife pseudo-values, which
    is the metric to first order. None where pseudo-values are not defined.
    """
    pseudo = [s.pseudo for s in seeds]
    known = [p for p in pseudo if p is not None]
    if len(known) < len(pseudo) or not all(np.isfinite(p).all() for p in known):
        return None
    values = np.array([s.value for s in seeds])
    centred = np.stack(known, axis=1)
    centred = centred - centred.mean(axis=0) + values
    means = np.clip(_redrawn(centred, draws), metric.low, metric.high)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    over = "seeds and examples" if len(seeds) > 1 else "examples only (one seed)"
    return Interval(low=float(low), high=float(high), level=level, method=f"percentile bootstrap, {over}")


def _redrawn(pseudo: Floats, draws: int) -> Floats:
    """``draws`` means of ``pseudo`` (N x S), each over N examples and S seeds drawn with replacement."""
    rng = np.random.default_rng(_SEED)
    s = pseudo.shape[1]
    by_seed = np.concatenate([_example_means(pseudo, rng, min(_CHUNK, draws - k)) for k in range(0, draws, _CHUNK)])
    chosen = rng.integers(0, s, size=(draws, s))
    means: Floats = np.take_along_axis(by_seed, chosen, axis=1).mean(axis=1)
    return means


def _example_means(pseudo: Floats, rng: np.random.Generator, draws: int) -> Floats:
    n = len(pseudo)
    drawn = rng.integers(0, n, size=(draws, n)) + np.arange(0, draws * n, n)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=draws * n).reshape(draws, n)
    means: Floats = counts @ pseudo / n
    return means
