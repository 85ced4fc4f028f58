"""The bootstrap gives the very numbers of the plain algorithm, however often and in whatever order it is asked."""

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap

from fumehood.scoring import bootstrap
from fumehood.scoring.measured import Measured
from fumehood.scoring.metrics import METRICS

pytestmark = pytest.mark.unit


def plainly(values, pseudo, draws, level):
    """Each draw anew: examples in chunks of 64 draws, then seeds, from one stream of random numbers."""
    rng, (n, s) = np.random.default_rng(20_240_229), pseudo.shape
    centred = pseudo - pseudo.mean(axis=0) + values
    by_seed = []
    for k in range(0, draws, 64):
        size = min(64, draws - k)
        drawn = rng.integers(0, n, size=(size, n)) + np.arange(0, size * n, n)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        by_seed.append(counts @ centred / n)
    chosen = rng.integers(0, s, size=(draws, s))
    means = np.take_along_axis(np.concatenate(by_seed), chosen, axis=1).mean(axis=1)
    return tuple(np.quantile(np.clip(means, 0, 1), [(1 - level) / 2, (1 + level) / 2]))


def test_repeated_and_interleaved_calls_give_the_plain_algorithms_numbers_to_the_last_bit():
    noise = np.random.default_rng(1)
    asked = [(n, s, draws) for n in (2, 7, 360) for s in (1, 3) for draws in (1, 65, 2000)]
    for n, s, draws in [*asked, *asked[::-1], asked[-1], asked[-1]]:
        _expect_plain(noise, n, s, draws)


def test_more_examples_than_are_kept_give_the_plain_algorithms_numbers_too():
    noise = np.random.default_rng(2)
    assert 20_000 * bootstrap.DRAWS > 32 * 1024 * 1024
    _expect_plain(noise, 20_000, 2, bootstrap.DRAWS)


def _expect_plain(noise, n, s, draws):
    pseudo = (noise.random((n, s)) < 0.8).astype(np.float64)
    values = pseudo.mean(axis=0)
    measured = [Measured(float(values[i]), pseudo[:, i], float(n)) for i in range(s)]
    found, _ = bootstrap.intervals(METRICS["accuracy"], measured, 0.9, draws)
    assert (found.low, found.high) == plainly(values, pseudo, draws, 0.9)


def test_bca_of_one_seed_is_scipys_on_skewed_values():
    values = np.random.default_rng(3).exponential(1.0, 40) ** 1.5
    _, found = bootstrap.intervals(METRICS["log_loss"], [Measured(float(values.mean()), values, 40.0)], 0.9, 20_000)
    scipys = scipy_bootstrap((values,), np.mean, confidence_level=0.9, n_resamples=20_000, method="BCa", rng=0)
    assert (found.low, found.high) == pytest.approx(tuple(scipys.confidence_interval), abs=0.02)
    assert found.method == "BCa bootstrap, examples only (one seed)"


def test_bca_moves_towards_the_long_tail_of_seeds_and_of_examples_alike():
    rng = np.random.default_rng(4)
    skewed_seeds = np.outer(np.r_[np.zeros(9), 1.0], np.ones(50)) + rng.normal(0, 0.01, (10, 50)) + 1
    skewed_examples = np.tile(rng.exponential(1.0, 50), (10, 1)) + rng.normal(0, 0.01, (10, 50))
    for rows in (skewed_seeds, skewed_examples):
        seeds = [Measured(float(row.mean()), row, 50.0) for row in rows]
        plain, corrected = bootstrap.intervals(METRICS["log_loss"], seeds, 0.9, 4000)
        assert corrected.low > plain.low
        assert corrected.high > plain.high


def test_bca_of_draws_that_are_all_alike_is_their_value():
    seeds = [Measured(1.0, np.ones(20), 20.0)] * 2
    for found in bootstrap.intervals(METRICS["accuracy"], seeds, 0.95, 200):
        assert (found.low, found.high) == (1.0, 1.0)


def test_no_bootstrap_without_pseudo_values():
    assert bootstrap.intervals(METRICS["accuracy"], [Measured(0.5, None, 1.0)], 0.95) == ()
