"""A metric's value for one seed, with what each example contributes to it.

Jackknife pseudo-values carry the uncertainty over examples of any metric: ``N * value - (N - 1) * value without i``
(Tukey 1958; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 11). For a mean they are the
per-example values themselves. Everything that measures returns this; only ``intervals`` and ``bootstrap`` read it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """``value`` of one seed; ``pseudo`` has shape (N,), or is None where leaving an example out is not defined.

    ``effective`` is the number of examples n for which ``value * (1 - value) / n`` is the metric's variance near its
    upper end: N for a proportion, fewer where small classes weigh as much as large ones.
    """

    value: float
    pseudo: Floats | None
    effective: float


def mean_of(values: Floats) -> Measured:
    """A metric that is a mean over examples; ``values`` has shape (N,)."""
    pseudo = values if len(values) > 1 else None
    return Measured(float(values.mean()), pseudo, float(len(values)))


def jackknifed(value: float, left_out: Floats | None, effective: float) -> Measured:
    """A metric from its value and its N leave-one-out values."""
    if left_out is None or len(left_out) < 2:
        return Measured(value, None, effective)
    n = len(left_out)
    return Measured(value, n * value - (n - 1) * left_out, effective)
