"""How much one candidate's score changes by chance alone, from seed to seed: the measured noise floor. Pure.

Measured, not assumed: candidates repeated with fresh seeds, whose values differ by nothing but chance. Their variances
are pooled (each weighs with its degrees of freedom), as in a one-way analysis of variance. The validation examples stay
the same throughout, so this is the noise of choosing among candidates; how another draw of examples would have come out
is a matter for ``comparison`` and ``intervals``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10, sqrt

import numpy as np

_UNITS = (5.0, 2.0, 1.0)


@dataclass(frozen=True)
class SeedSpread:
    """Standard deviation of one metric's values over seeds of one candidate, in the metric's units."""

    std: float
    df: int
    """Degrees of freedom: how many values it rests on, less one for each candidate."""


@dataclass(frozen=True)
class NoiseFloor:
    """What a difference of two means over ``seeds`` seeds each comes to by chance, in the metric's units."""

    spread: SeedSpread
    seeds: int
    level: float
    standard_error: float
    """Of such a difference: ``std * sqrt(2 / seeds)``."""
    smallest: float
    """The smallest difference that chance exceeds with probability ``1 - level`` only, in either direction (t)."""

    def rounded(self, value: float) -> float:
        """``value`` to the nearest multiple of ``unit``: what planners may see of it."""
        return value if self.unit == 0.0 else float(f"{round(value / self.unit) * self.unit:.12g}")

    @property
    def unit(self) -> float:
        """The largest of 1, 2 and 5 times a power of ten that is at most one standard error; 0 without noise."""
        if self.standard_error <= 0.0:
            return 0.0
        power = 10.0 ** floor(log10(self.standard_error))
        return next(unit * power for unit in _UNITS if unit * power <= self.standard_error * (1 + 1e-12))


def pooled_seed_std(repeated: Sequence[Sequence[float]]) -> SeedSpread | None:
    """Pooled over candidates, each given by its values, one per seed; None where none has two."""
    groups = [np.asarray(values, np.float64) for values in repeated if len(values) > 1]
    df = sum(len(values) - 1 for values in groups)
    if not df:
        return None
    squares = sum(float(np.square(values - values.mean()).sum()) for values in groups)
    return SeedSpread(sqrt(squares / df), df)


def noise_floor(repeated: Sequence[Sequence[float]], *, seeds: int, level: float = 0.95) -> NoiseFloor | None:
    """From candidates measured repeatedly: all values of each, over its first and its fresh seeds.

    For differences of two means over ``seeds`` seeds each. None where no candidate has two values.
    """
    spread = pooled_seed_std(repeated)
    if spread is None:
        return None
    from scipy.special import stdtrit  # see intervals: loaded when there is something to score

    error = spread.std * sqrt(2 / seeds)
    return NoiseFloor(spread, seeds, level, error, float(stdtrit(spread.df, (1 + level) / 2)) * error)
