"""Confidence intervals over both sources of doubt: which seeds were drawn, and which examples.

Model: the metric of seed s has pseudo-values ``x[s, i] = mu + seed[s] + example[i] + rest[s, i]`` (crossed random
effects; Searle, Casella and McCulloch, Variance Components, 1992). With mean squares over S seeds and N examples, the
variance of the mean is ``A + B - C``: A the variance of seed values / S, B that of example means / N, C the residual
mean square / (S N), which A and B both hold.

Half-width squared = ``t(S-1)**2 * max(A - 0.55 C, 0) + t(N-1)**2 * (B - 0.2 C)``. Each part keeps its own quantile, the
modified large-sample way (Graybill and Wang 1980), exact where either source dominates. The obvious t interval with
Satterthwaite's degrees of freedom is ``satterthwaite``, and covers less. How much of C to take off which part was
chosen for normal effects, over all ratios of the three variances: these shares cover .93 to .97; all of C taken off A
covers as little as .91 at three seeds, half of it and none off B as much as .98.

How the half-width becomes an interval depends on the metric's ``scale``:

``score``   metrics in [0, 1]: Wilson's score interval with the effective number of examples that the variance implies
            (as for survey data: Dean and Pagano 2015). Where errors are few the variance itself is hardly known, so
            B counts half an error more, made by all seeds alike; a perfect score on 200 examples gives [0.981, 1].
``log``     positive metrics, delta method on the logarithm; ``log_gap`` the same on ``high - value`` (R2).
``atanh``   correlations, delta method on Fisher's z.
``upper``   from the low end of the range to value plus half-width: calibration error, whose bins bias it upwards by
            an amount that hangs on N, so that an upper bound can be claimed and a lower one cannot (two-sided
            intervals, also with the jackknife's correction, covered 0.25 to 0.96).

One seed gives an interval over examples only, and ``method`` says so; so do seeds that cannot be told apart.
No interval (None) where a leave-one-out value is not defined or nothing varied (other than on ``score``).

Measured coverage at level 0.95 of the true mean accuracy over seeds and examples, 2,000 experiments a cell, crossed
probit model with 30%, 60% and 90% of an example's noise shared by all seeds
(``tests/scoring/test_interval_coverage.py`` draws them again); lowest and highest over S = 3, 5, 10:

mean        N  standard deviation over seeds
0.50      200  0.2 points  .955 .975   1 point    .948 .968   4 points  .950 .974
0.50   10,000  0.2 points  .949 .972   1 point    .944 .965   4 points  .946 .958
0.90      200  0.2 points  .955 .979   1 point    .958 .971   4 points  .942 .975
0.90   10,000  0.2 points  .949 .969   1 point    .944 .966   4 points  .938 .960
0.99      200  0.2 points  .966 .993   0.5 point  .971 .994   1 point   .976 .991   2 points  .982 .996   4  .973 .997
0.99   10,000  0.2 points  .926 .963   0.5 point  .934 .952   1 point   .905 .932   2 points  .829 .869   4  .607 .680

Where it leaves .93 to .97 by more than sampling error. Above: at mean 0.99 and N = 200, where two errors are expected
and the steps between few errors are wide. Below: at mean 0.99 and N = 10,000, a spread over seeds of the mean error
rate and more. There nearly all seeds are near perfect and a rare one is bad; three to ten seeds often hold none of
those, and no method can see what was not drawn. A spread taken to be constant on the log-odds scale covers .86 there,
and was refused: it allows for the bad seed that nobody saw, so that three seeds at .992, .994 and .997 of 359 rows give
[0.67, 1.00], of which an ordinary user can make nothing.

Other metrics, 250 to 500 experiments each, S = 3 and 5, N = 300 and 2,000, half of the noise shared: roc_auc .940 to
.986, average_precision .944 to .972, averages over classes .944 to .972, log_loss .952 to .980, brier .952 to .976,
rmse .948 to .968, r2 .960 to .972, mae .944 to .972, spearman .952 to .972.

One seed, of what that seed does on all examples: accuracy .940 to .956 (exact: means .5, .9 and .99, N = 200, 2,000 and
10,000), the other metrics .930 to .972 (500 experiments, N = 300 and 2,000). Of the mean over seeds it covers as little
as the seeds differ much: that is what ``method`` says.

Upper bound of the calibration error, S = 1, 3 and 10 (``tests/scoring/test_coverage_of_parts.py``; probabilities from
ones that understate to ones that overstate much, N = 300 and 2,000, 30% to 90% of the noise shared, 200 and 300
experiments a cell): .970 to 1.000.

Other levels, the experiments above with 60% of the noise shared, 1,000 each: level 0.8 covers .780 to .853 at means .5
and .9, level 0.99 covers .976 to .997; at mean .99 and half a point at most .788 to .935, and .974 to 1.000.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import atanh, exp, sqrt, tanh
from typing import NamedTuple

import numpy as np

from fumehood.records import Interval
from fumehood.scoring.measured import Floats, Measured
from fumehood.scoring.metrics import Metric

_RESIDUAL_TAKEN_FROM_SEEDS = 0.55
_RESIDUAL_TAKEN_FROM_EXAMPLES = 0.2
_PRIOR_ERRORS = 0.5


class MeanSquares(NamedTuple):
    """The module's A, B and C; A and C are 0 for one seed, which does not tell them."""

    a: float
    b: float
    c: float


@dataclass(frozen=True)
class Parts:
    """Squared half-width of an interval from each source, quantiles included."""

    seeds: float
    examples: float

    @property
    def total(self) -> float:
        return self.seeds + self.examples


def interval(metric: Metric, seeds: Sequence[Measured], level: float, *, repeated: bool = False) -> Interval | None:
    """Interval of the mean over ``seeds`` (distinct ones). ``repeated``: there were more, indistinguishable from these.

    None where none is defined (see the module's docstring).
    """
    stacked = _stacked(seeds)
    if stacked is None:
        return None
    value = float(np.mean([s.value for s in seeds]))
    parts = _parts(np.array([s.value for s in seeds]), stacked, level)
    bounds = _bounds(metric, value, parts, min(s.effective for s in seeds), _quantile(stacked.shape[1] - 1, level))
    if bounds is None:
        return None
    low, high = max(bounds[0], metric.low), min(bounds[1], metric.high)
    return Interval(low=low, high=high, level=level, method=_method(metric, len(seeds), repeated=repeated))


def satterthwaite(metric: Metric, seeds: Sequence[Measured], level: float) -> Interval | None:
    """The obvious interval: mean plus and minus one t quantile times the standard error. For comparison only.

    The variance ``A + B - C`` (not below B) has the degrees of freedom of Satterthwaite (1946). Cut at the ends of the
    metric's range. None where ``interval`` has none, or nothing varied.

    Measured coverage at level 0.95 of the mean accuracy, in the experiments of the module's docstring: .921 to .968 at
    means .5 and .9, and .841 to .946 at .99, where errors are few and an interval that is alike to both sides misses.
    One seed, of its own accuracy: .858 to .963, N = 200 and 2,000.
    """
    stacked = _stacked(seeds)
    if stacked is None:
        return None
    values = np.array([m.value for m in seeds])
    squares = mean_squares(values, stacked)
    variance = max(squares.a - squares.c, 0.0) + squares.b
    if variance == 0.0:
        return None
    s, n = stacked.shape
    shares = squares.b**2 / (n - 1)
    if s > 1 and squares.a > squares.c:
        shares += squares.a**2 / (s - 1) + squares.c**2 / ((s - 1) * (n - 1))
    half = _quantile(variance**2 / shares, level) * sqrt(variance)
    mean = float(values.mean())
    over = "seeds and examples" if s > 1 else "examples only (one seed)"
    method = f"t with Satterthwaite's degrees of freedom, {over}"
    low, high = max(mean - half, metric.low), min(mean + half, metric.high)
    return Interval(low=low, high=high, level=level, method=method)


def wilson(share: float, number: float, level: float) -> Interval:
    """Wilson's score interval (1927) of a share of ``number`` independent draws, which need not be whole.

    ``probability.calibration`` uses it, and tells its measured coverage.
    """
    from scipy.special import ndtri  # see _quantile

    low, high = _roots(share, float(ndtri((1 + level) / 2)) ** 2 / number)
    return Interval(low=max(low, 0.0), high=min(high, 1.0), level=level, method="Wilson, seeds counted as one")


def _stacked(seeds: Sequence[Measured]) -> Floats | None:
    """Pseudo-values, S x N; None where they are not defined."""
    known = [s.pseudo for s in seeds if s.pseudo is not None and np.isfinite(s.pseudo).all()]
    return np.stack(known) if len(known) == len(seeds) else None


def _method(metric: Metric, seeds: int, *, repeated: bool) -> str:
    if seeds > 1:
        return f"seeds and examples, {metric.scale}"
    return f"examples only ({'seeds indistinguishable' if repeated else 'one seed'}), {metric.scale}"


def _quantile(df: float, level: float) -> float:
    from scipy.special import stdtrit  # a seventh of a second to load, and a run asks for its first room before

    return float(stdtrit(df, (1 + level) / 2))


def _parts(values: Floats, pseudo: Floats, level: float) -> Parts:
    """``values``: shape (S,); ``pseudo``: S x N, N at least 2."""
    s, n = pseudo.shape
    squares = mean_squares(values, pseudo)
    of_examples = max(squares.b - _RESIDUAL_TAKEN_FROM_EXAMPLES * squares.c, 0.0)
    examples = _quantile(n - 1, level) ** 2 * of_examples
    if s == 1:
        return Parts(0.0, examples)
    of_seeds = max(squares.a - _RESIDUAL_TAKEN_FROM_SEEDS * squares.c, 0.0)
    return Parts(_quantile(s - 1, level) ** 2 * of_seeds, examples)


def mean_squares(values: Floats, pseudo: Floats) -> MeanSquares:
    """``values``: shape (S,), the metric of each seed; ``pseudo``: S x N, N at least 2."""
    s, n = pseudo.shape
    by_example = pseudo.mean(axis=0)
    b = float(by_example.var(ddof=1)) / n
    if s == 1:
        return MeanSquares(0.0, b, 0.0)
    rest = pseudo - by_example - (pseudo.mean(axis=1, keepdims=True) - by_example.mean())
    c = float(np.einsum("sn,sn->", rest, rest)) / ((s - 1) * (n - 1) * s * n)
    return MeanSquares(float(values.var(ddof=1)) / s, b, c)


def _bounds(metric: Metric, value: float, parts: Parts, effective: float, z: float) -> tuple[float, float] | None:
    if metric.scale == "score":
        return _score(value, parts, effective, z)
    half = sqrt(parts.total)
    if half == 0.0:
        return None
    if metric.scale == "log":
        return _log(value, half) if value > 0 else None
    if metric.scale == "log_gap":
        gap = _log(metric.high - value, half) if value < metric.high else None
        return None if gap is None else (metric.high - gap[1], metric.high - gap[0])
    if metric.scale == "atanh":
        return _atanh(value, half) if abs(value) < 1 else None
    return metric.low, value + half


def _score(value: float, parts: Parts, effective: float, z: float) -> tuple[float, float]:
    """Wilson's interval with the squared half-width over ``value * (1 - value)`` that the parts imply."""
    value = min(max(value, 0.0), 1.0)
    spread = value * (1 - value)
    errors = effective * spread
    shared = (parts.examples / z**2 * effective**2 + _PRIOR_ERRORS) / (errors + _PRIOR_ERRORS)
    return _roots(value, z**2 * shared / effective + (parts.seeds / spread if spread > 0 else 0.0))


def _roots(value: float, w: float) -> tuple[float, float]:
    """Roots p of ``(value - p)**2 = w * p * (1 - p)``."""
    middle, half = (value + w / 2) / (1 + w), sqrt(w * value * (1 - value) + w * w / 4) / (1 + w)
    return middle - half, middle + half


def _log(value: float, half: float) -> tuple[float, float]:
    ratio = min(half / value, 700.0)
    return value * exp(-ratio), value * exp(ratio)


def _atanh(value: float, half: float) -> tuple[float, float]:
    middle, spread = atanh(value), half / (1 - value**2)
    return tanh(middle - spread), tanh(middle + spread)
