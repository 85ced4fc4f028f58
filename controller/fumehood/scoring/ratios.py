"""Intervals of ratios of sums over examples: the rates of a class, and the share that is right in a bin. Pure.

They are ``intervals.interval``'s, over seeds and examples, of the mean over seeds. The pseudo-values of a ratio are its
influence (delta method: Efron and Tibshirani 1993, chapter 21). Who uses them tells their measured coverage.
"""

from collections.abc import Sequence

from fumehood.records import Interval
from fumehood.scoring import intervals
from fumehood.scoring.measured import Floats, Measured
from fumehood.scoring.metrics import METRICS

_RATE = METRICS["accuracy"]
"""What a rate's interval is made like."""


def interval_of_rate(seeds: Sequence[Measured], level: float) -> Interval | None:
    """Interval of the mean over ``seeds`` of a number in [0, 1]; None where ``intervals.interval`` has none."""
    return intervals.interval(_RATE, seeds, level)


def interval_of_ratio(numerator: Floats, denominator: Floats, level: float) -> Interval | None:
    """Interval of the mean over seeds of one sum over the other; both S x N, of examples that concern the ratio.

    Examples that do not concern it have no influence, so that leaving them out changes nothing to first order. None
    where a seed has no example in its denominator, or there is but one example.
    """
    sums, n = denominator.sum(axis=1), denominator.shape[1]
    if n < 2 or (sums == 0).any():
        return None
    values = numerator.sum(axis=1) / sums
    pseudo = values[:, None] + (numerator - values[:, None] * denominator) * (n / sums)[:, None]
    measured = [Measured(float(v), p, float(s)) for v, p, s in zip(values, pseudo, sums, strict=True)]
    return interval_of_rate(measured, level)
