"""The measured noise floor: what chance alone does to a difference of two means."""

import numpy as np
import pytest
from scipy.stats import f_oneway, ttest_ind

from fumehood.scoring.noise import noise_floor, pooled_seed_std

pytestmark = pytest.mark.unit


def test_variances_are_pooled_as_in_a_one_way_analysis_of_variance():
    groups = [[0.9, 0.92, 0.91], [0.7, 0.75], [0.8]]
    found = pooled_seed_std(groups)
    assert found.df == 3
    assert found.std == pytest.approx(np.sqrt((2 * np.var(groups[0], ddof=1) + np.var(groups[1], ddof=1)) / 3))
    two = groups[:2]
    between = sum(len(g) * (np.mean(g) - np.mean(np.concatenate(two))) ** 2 for g in two)
    assert between / pooled_seed_std(two).std ** 2 == pytest.approx(f_oneway(*two).statistic)


def test_candidates_with_one_value_each_tell_nothing_of_noise():
    assert pooled_seed_std([[0.9], [0.8], []]) is None
    assert noise_floor([[0.9], [0.8]], seeds=3) is None


def test_a_difference_as_large_as_the_floor_is_significant_in_scipys_t_test_at_that_level():
    a = np.array([0.90, 0.92, 0.915])
    b = np.array([0.90, 0.93, 0.905])
    floor = noise_floor([a, b], seeds=3, level=0.9)
    moved = b - b.mean() + a.mean() + floor.smallest
    assert ttest_ind(moved, a).pvalue == pytest.approx(0.1)


def test_differences_by_chance_stay_below_the_floor_as_often_as_the_level_says():
    rng = np.random.default_rng(2)
    draws = rng.normal(0.9, 0.01, (4000, 4, 3))
    below = [abs(d[0].mean() - d[1].mean()) <= noise_floor(d[2:], seeds=3).smallest for d in draws]
    assert np.mean(below) == pytest.approx(0.95, abs=0.012)


def test_scores_are_rounded_to_what_one_standard_error_can_tell_apart():
    floor = noise_floor([[0.90, 0.92, 0.94], [0.80, 0.82, 0.84]], seeds=3)
    assert floor.standard_error == pytest.approx(0.02 * np.sqrt(2 / 3))
    assert floor.unit == 0.01
    assert floor.rounded(0.94731) == 0.95
    assert floor.rounded(0.9449) == floor.rounded(0.9401) == 0.94


@pytest.mark.parametrize(("error", "unit"), [(0.0163, 0.01), (0.02, 0.02), (0.0499, 0.02), (0.05, 0.05), (7.2, 5.0)])
def test_units_are_ones_twos_and_fives(error, unit):
    half = error / 2
    assert noise_floor([[1 - half, 1 + half]], seeds=1).standard_error == pytest.approx(error)
    assert noise_floor([[1 - half, 1 + half]], seeds=1).unit == pytest.approx(unit)


def test_seeds_that_are_all_alike_round_nothing():
    assert noise_floor([[0.5, 0.5]], seeds=2).rounded(0.123456) == 0.123456
