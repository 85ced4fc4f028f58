"""Scores as planners may see them, and as memories tell them: no finer than their noise. Pure."""

import math
from collections.abc import Callable

from fumehood.records import MetricSummary
from fumehood.records.insight import Evidence

Measured = MetricSummary | Evidence


def rounded(summary: Measured) -> float:
    """The mean, rounded to a quarter of its interval's half-width: finer differences are noise.

    Steps are powers of two, so that scores with different noise still fall on common values.
    """
    return _rounding(summary)(summary.mean)


def rounded_interval(summary: Measured) -> tuple[float, float] | None:
    """The ends of the interval on the same steps; its middle would tell the mean otherwise. None without one."""
    if summary.interval is None:
        return None
    to_step = _rounding(summary)
    return to_step(summary.interval.low), to_step(summary.interval.high)


def _rounding(summary: Measured) -> Callable[[float], float]:
    noise = 0.0 if summary.interval is None else (summary.interval.high - summary.interval.low) / 8
    if noise <= 0:
        return lambda value: value
    step = 2.0 ** math.floor(math.log2(noise))
    return lambda value: round(value / step) * step
