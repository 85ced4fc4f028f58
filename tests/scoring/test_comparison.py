"""The paired comparison: exact where it can be checked by hand, and chance looks like progress no more than it may."""

import numpy as np
import pytest
from scipy.stats import ttest_ind, ttest_rel
from simulated import Setting, logits, measured, search

from fumehood.records import Comparison
from fumehood.scoring import METRICS
from fumehood.scoring.baseline import Baseline
from fumehood.scoring.comparison import between, compare
from fumehood.scoring.measured import Measured, mean_of
from fumehood.scoring.multiple import holm
from fumehood.scoring.noise import SeedSpread
from fumehood_shared.messages import Task

pytestmark = pytest.mark.evaluation
ACCURACY, LOG_LOSS = METRICS["accuracy"], METRICS["log_loss"]


def of(rows):
    return [mean_of(np.asarray(row, float)) for row in rows]


# ---- by hand ------------------------------------------------------------------------------------------------------


def test_one_seed_each_is_the_paired_t_test_over_examples():
    rng = np.random.default_rng(0)
    a, b = rng.normal(1.0, 0.3, 80), rng.normal(0.9, 0.3, 80)
    found = between(LOG_LOSS, of([b]), of([a]), level=0.9)
    expected = ttest_rel(a, b, alternative="greater")
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.df == pytest.approx(79)
    low, high = ttest_rel(a, b).confidence_interval(0.9)
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high))
    assert found.difference == pytest.approx(np.mean(a - b))
    assert "examples only" in found.method


def test_examples_that_are_all_alike_leave_welchs_test_over_seeds():
    """Exact where only the seeds differ: every example of a seed has that seed's value."""
    new, old = np.array([0.9, 0.92, 0.95]), np.array([0.8, 0.86, 0.82, 0.79])
    found = between(ACCURACY, of(np.outer(new, np.ones(50))), of(np.outer(old, np.ones(50))))
    expected = ttest_ind(new, old, equal_var=False, alternative="greater")
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.df == pytest.approx(expected.df)
    assert found.standard_error == pytest.approx(np.sqrt(new.var(ddof=1) / 3 + old.var(ddof=1) / 4))


def test_better_is_positive_for_scores_and_for_losses_alike():
    high, low = of([np.r_[np.ones(60), np.zeros(40)]] * 1), of([np.r_[np.ones(40), np.zeros(60)]] * 1)
    assert between(ACCURACY, high, low).difference == pytest.approx(0.2)
    assert between(LOG_LOSS, high, low).difference == pytest.approx(-0.2)
    for metric in (ACCURACY, LOG_LOSS):
        there, back = between(metric, high, low), between(metric, low, high)
        assert there.p_value + back.p_value == pytest.approx(1)
        assert (there.p_value < 0.5) == (there.difference > 0)


def test_pairing_finds_what_two_separate_intervals_would_hide():
    rng = np.random.default_rng(3)
    old = (rng.random((3, 2000)) < np.where(np.arange(2000) % 10 < 2, 0.02, 0.99)).astype(float)
    new = old.copy()
    new[:, np.flatnonzero(old.mean(axis=0) == 0)[:40]] = 1.0
    assert between(ACCURACY, of(new), of(old)).p_value < 0.01
    unpaired = between(ACCURACY, of(new), of([np.roll(row, 777) for row in old]))
    assert unpaired.p_value > 0.05


def test_a_candidate_compared_with_itself_is_no_better():
    same = of((np.random.default_rng(0).random((3, 100)) < 0.8).astype(float))
    found = between(ACCURACY, same, same)
    assert found.difference == 0.0
    assert found.p_value >= 0.5
    perfect = of(np.ones((3, 100)))
    found = between(ACCURACY, perfect, perfect)
    assert (found.p_value, found.standard_error, found.interval) == (1.0, None, None)


def test_examples_that_all_change_alike_are_as_sure_as_a_sign_test():
    found = between(ACCURACY, of(np.ones((3, 8))), of(np.zeros((3, 8))))
    assert (found.difference, found.p_value) == (1.0, 0.5**8)
    assert between(ACCURACY, of(np.zeros((3, 8))), of(np.ones((3, 8)))).p_value == 1.0


def test_one_seed_borrows_the_spread_of_the_other_side_or_of_earlier_candidates():
    old, lone = np.outer([0.80, 0.82, 0.84], np.ones(50)), np.full((1, 50), 0.9)
    found = between(ACCURACY, of(lone), of(old))
    assert found.standard_error == pytest.approx(0.02 * np.sqrt(1 + 1 / 3))
    assert (found.df, "the other's spread" in found.method) == (2, True)
    pooled = between(ACCURACY, of(lone), of(lone - 0.1), spread=SeedSpread(0.03, 12))
    assert pooled.standard_error == pytest.approx(0.03 * np.sqrt(2))
    assert (pooled.df, "other candidates" in pooled.method) == (pytest.approx(12), True)


def test_no_claim_without_leave_one_out_values_nor_for_the_calibration_error():
    bare = [Measured(0.9, None, 10.0), Measured(0.8, None, 10.0)]
    found = between(ACCURACY, bare, of(np.zeros((2, 10))))
    assert (found.p_value, found.interval, found.difference) == (1.0, None, pytest.approx(0.85))
    rows = of(np.random.default_rng(0).random((2, 30)))
    worse = [Measured(m.value + 0.5, m.pseudo + 0.5, m.effective) for m in rows]
    assert between(METRICS["calibration_error"], rows, worse).p_value == 1.0


# ---- predictions --------------------------------------------------------------------------------------------------


def asked(targets, metric="accuracy", classes=2):
    return {"task": Task.CLASSIFICATION, "metric": metric, "class_names": [str(k) for k in range(classes)],
            "baseline": Baseline.fit(targets, Task.CLASSIFICATION, classes)}  # fmt: skip


def test_predictions_are_compared_as_what_they_measure():
    rng = np.random.default_rng(5)
    targets = rng.integers(0, 2, 300)
    new, old = (rng.random((3, 300)) < share for share in (0.95, 0.85))
    found = compare(logits(new, targets), logits(old, targets), targets, **asked(targets))
    assert found == between(ACCURACY, measured(new.astype(float)), measured(old.astype(float)))
    assert found == Comparison.model_validate_json(found.model_dump_json())


@pytest.mark.parametrize("metric", [n for n, m in METRICS.items() if m.task is Task.CLASSIFICATION])
def test_every_metric_of_classification_is_compared(metric):
    rng = np.random.default_rng(5)
    targets = rng.integers(0, 3, 200)
    new, old = ([(rng.normal(size=(200, 3)) + s * np.eye(3)[targets]).astype(np.float32) for _ in range(3)]
                for s in (3.0, 1.0))  # fmt: skip
    found = compare(new, old, targets, **asked(targets, metric, 3))
    if metric == "calibration_error":
        assert found.p_value == 1.0
    else:
        assert found.difference > 0
        assert found.p_value < 0.05


@pytest.mark.parametrize("metric", [n for n, m in METRICS.items() if m.task is Task.REGRESSION])
def test_every_metric_of_regression_is_compared(metric):
    rng = np.random.default_rng(6)
    y = rng.normal(50, 10, (150, 2))
    new, old = ([(y + rng.normal(0, s, y.shape)).astype(np.float32) for _ in range(3)] for s in (2.0, 8.0))
    arguments = {"task": Task.REGRESSION, "metric": metric, "class_names": ()}
    found = compare(new, old, y, baseline=Baseline.fit(y, Task.REGRESSION, 2), **arguments)
    assert found.difference > 0
    assert found.p_value < 0.001


def test_failed_seeds_count_as_the_baseline_and_repeated_ones_once():
    targets = np.arange(200) % 2
    right = np.random.default_rng(0).random((3, 200)) < 0.95
    predictions = logits(right, targets)
    lost = compare([*predictions[:2], None], predictions, targets, **asked(targets))
    assert lost.difference == pytest.approx((0.5 - right[2].mean()) / 3)
    repeated = compare([predictions[0]] * 3, [predictions[1]] * 3, targets, **asked(targets))
    assert "examples only" in repeated.method


# ---- by simulation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "setting",
    [
        Setting(0.90, 0.01, 200, 3, candidates=2),
        Setting(0.90, 0.01, 2000, 5, candidates=2),
        Setting(0.90, 0.04, 200, 3, candidates=2),
        Setting(0.99, 0.005, 200, 3, candidates=2),
        Setting(0.50, 0.002, 200, 10, candidates=2),
    ],
)
def test_equal_candidates_differ_significantly_no_more_often_than_the_level_allows(setting):
    rng, number = np.random.default_rng(7), 1000
    low = 0
    for _ in range(number):
        (a, b), _ = search(setting, rng)
        p = between(ACCURACY, measured(a), measured(b)).p_value
        low += (p <= 0.05) + (p >= 0.95)
    assert low / (2 * number) <= 0.055


def claims_of(candidates, level=0.95):
    """What a search claims on its way: each candidate against the incumbent it meets, the better mean staying."""
    incumbent, p_values = candidates[0], []
    for right in candidates[1:]:
        p_values.append(between(ACCURACY, measured(right), measured(incumbent)).p_value)
        incumbent = right if right.mean() > incumbent.mean() else incumbent
    return holm(p_values, level, planned=len(candidates) - 1)


@pytest.mark.parametrize(
    "setting", [Setting(0.90, 0.01, 360, 3), Setting(0.97, 0.005, 200, 3), Setting(0.90, 0.002, 360, 5)]
)
def test_five_hundred_searches_of_twenty_equal_candidates_claim_an_improvement_in_at_most_five_percent(setting):
    rng = np.random.default_rng(8)
    assert np.mean([any(claims_of(search(setting, rng)[0])) for _ in range(500)]) <= 0.05


def test_against_the_first_candidate_alone_as_few_claims_are_false():
    rng, false = np.random.default_rng(9), 0
    for _ in range(500):
        first, *others = search(Setting(0.90, 0.01, 360, 3), rng)[0]
        false += any(holm([between(ACCURACY, measured(o), measured(first)).p_value for o in others], 0.95, 19))
    assert false / 500 <= 0.05


def test_a_candidate_that_is_truly_much_better_is_claimed():
    rng = np.random.default_rng(10)
    found = 0
    for _ in range(100):
        candidates, _ = search(Setting(0.80, 0.005, 1000, 5), rng)
        better, _ = search(Setting(0.88, 0.005, 1000, 5, candidates=1), rng)
        found += claims_of([candidates[0], better[0], *candidates[1:]])[0]
    assert found >= 80
