"""Searches over candidates whose true quality is known, for tests of what is decided and claimed about them.

Crossed probit model, as in ``test_interval_coverage``: seed s of a candidate answers example i rightly if
``c + a[s] + d[i] + e[s, i] > 0``. The difficulty d is shared by a candidate's seeds (``rho`` of the noise) and, for the
most part (``shared``), by all candidates, since what is hard for one is hard for the next.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri
from scipy.stats import norm

from fumehood.scoring.measured import mean_of


@dataclass(frozen=True)
class Setting:
    """``mean`` accuracy; standard deviations over candidates (``quality``) and seeds are those of true accuracies."""

    mean: float
    seed_sd: float
    examples: int
    seeds: int
    quality_sd: float = 0.0
    candidates: int = 20
    rho: float = 0.6
    shared: float = 0.8


def search(setting, rng):
    """Right (1) or wrong (0), one S x N array per candidate, and each candidate's true quality (probit scale)."""
    centre = ndtri(setting.mean)
    slope = norm.pdf(centre)
    easy, found, quality = rng.standard_normal(setting.examples), [], []
    for _ in range(setting.candidates):
        own = rng.standard_normal(setting.examples)
        d = np.sqrt(setting.shared) * easy + np.sqrt(1 - setting.shared) * own
        c = centre + setting.quality_sd / slope * rng.standard_normal()
        a = c + setting.seed_sd / slope * rng.standard_normal((setting.seeds, 1))
        e = rng.standard_normal((setting.seeds, setting.examples))
        found.append((a + np.sqrt(setting.rho) * d + np.sqrt(1 - setting.rho) * e > 0).astype(np.float64))
        quality.append(c)
    return found, np.array(quality)


def measured(right):
    return [mean_of(row) for row in right]


def logits(right, targets, classes=2):
    """Predictions, N x K for each seed, that are right where ``right`` says so."""
    predicted = np.where(right > 0, targets, (targets + 1) % classes)
    return [np.eye(classes, dtype=np.float32)[p] for p in predicted]
