"""The percentile bootstrap over seeds and examples, for comparison only.

Over three seeds it covers far less than its level, because three seeds redrawn with replacement are too alike; reports
show it beside the interval that claims rest on (``intervals``), where people look for it.
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
_CHUNK = 64
_SEED = 20_240_229
_KEPT_BYTES = 32 * 1024 * 1024
"""Draws that are kept for the next call: those of 16,000 examples. Larger ones are drawn again every time."""

Counts = NDArray[np.uint8]
"""How often each draw has each example, draws x N. Odds of one that comes up 256 times in a draw: 1 to 256!."""


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
    rng = np.random.default_rng(_SEED)
    return (_counts(rng, n, min(_CHUNK, draws - k)) for k in range(0, draws, _CHUNK)), rng


def _counts(rng: np.random.Generator, n: int, draws: int) -> Counts:
    drawn = rng.integers(0, n, size=(draws, n))
    drawn += np.arange(0, draws * n, n)[:, None]
    return np.bincount(drawn.ravel(), minlength=draws * n).reshape(draws, n).astype(np.uint8)
