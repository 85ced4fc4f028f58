"""From one search a split seed to the figures of a data set.

Intervals are Student's t over the split seeds, 95%, n - 1 degrees of freedom; that of the difference over the paired
differences. Splits of one data set share rows, so that they are not independent: the interval says how the outcome
varies from split to split, and is narrower than one over new data would be (Nadeau and Bengio, 2003).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import t

LEVEL = 0.95


@dataclass(frozen=True)
class Pair:
    """One search: the winner's mean on the sealed test, and the best baseline, by its name, on the same rows."""

    ours: float
    baseline: str
    reached: float
    seconds: float


def summary(pairs: Sequence[Pair]) -> dict[str, Any]:
    """``best_baseline.name`` is the one that was chosen on most splits; its mean is over what was chosen on each."""
    ours = [pair.ours for pair in pairs]
    differences = [pair.ours - pair.reached for pair in pairs]
    return {
        "ours": {"mean": float(np.mean(ours)), "interval": interval(ours)},
        "best_baseline": {
            "name": Counter(pair.baseline for pair in pairs).most_common(1)[0][0],
            "mean": float(np.mean([pair.reached for pair in pairs])),
        },
        "difference": {"mean": float(np.mean(differences)), "interval": interval(differences)},
        "method": f"Student's t over {len(pairs)} split seeds, paired, {LEVEL:.0%}",
        "splits": [asdict(pair) for pair in pairs],
    }


def interval(values: Sequence[float]) -> list[float] | None:
    """None for fewer than two values."""
    if len(values) < 2:
        return None
    half = float(t.ppf((1 + LEVEL) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return [float(np.mean(values)) - half, float(np.mean(values)) + half]
