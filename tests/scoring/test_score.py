"""A whole score from predictions: seeds that fail, classes that are absent, edges of the range, and speed."""

import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from fumehood.errors import DataError, InternalError, UsageError
from fumehood.records import Score
from fumehood.scoring import METRICS
from fumehood.scoring.baseline import Baseline
from fumehood.scoring.score import score, undefined
from fumehood_shared.messages import Task

pytestmark = pytest.mark.unit
C, R = Task.CLASSIFICATION, Task.REGRESSION


def seeds_of(targets, k, number, sharpness=2.0, seed=0):
    rng = np.random.default_rng(seed)
    eye = sharpness * np.eye(k)[targets]
    return [(rng.normal(size=eye.shape) + eye).astype(np.float32) for _ in range(number)]


def perfect(targets, k, noise=0):
    rng = np.random.default_rng(noise)
    return (10 * np.eye(k)[targets] + rng.normal(0, 0.1, (len(targets), k))).astype(np.float32)


def classified(predictions, targets, k, metric="accuracy", train=None, **more):
    baseline = Baseline.fit(targets if train is None else train, C, k)
    names = [f"class {i}" for i in range(k)]
    return score(
        predictions, targets, task=C, split="validation", metric=metric, class_names=names, baseline=baseline, **more
    )


def regressed(predictions, targets, metric="r2", **more):
    outputs = targets.reshape(len(targets), -1).shape[1]
    baseline = Baseline.fit(targets, R, outputs)
    return score(predictions, targets, task=R, split="test", metric=metric, class_names=(), baseline=baseline, **more)


@pytest.fixture
def targets():
    return np.random.default_rng(1).integers(0, 4, 300)


def test_every_metric_of_classification_is_summarised_over_seeds(targets):
    predictions = seeds_of(targets, 4, 3)
    found = classified(predictions, targets, 4, level=0.9)
    assert set(found.metrics) == {m.name for m in METRICS.values() if m.task is C}
    values = [accuracy_score(targets, p.argmax(1)) for p in predictions]
    primary = found.primary
    assert primary.values == pytest.approx(values)
    assert (primary.mean, primary.std) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert (primary.min, primary.max) == pytest.approx((min(values), max(values)))
    for summary in found.metrics.values():
        assert summary.interval.low < summary.mean < summary.interval.high, summary.name
        assert summary.interval.level == 0.9
        assert summary.interval.method.startswith("seeds and examples")
    assert found == Score.model_validate_json(found.model_dump_json())


def test_every_metric_of_regression_is_summarised_over_seeds():
    rng = np.random.default_rng(0)
    y = rng.normal(150, 70, (200, 2)).astype(np.float32)
    found = regressed([(y + rng.normal(0, 40, y.shape)).astype(np.float32) for _ in range(3)], y, "rmse")
    assert set(found.metrics) == {m.name for m in METRICS.values() if m.task is R}
    assert found.classes == ()
    assert found.confusion == ()
    assert found.baseline == pytest.approx(np.mean([y[:, 0].std(), y[:, 1].std()]), rel=1e-4)
    for summary in found.metrics.values():
        assert summary.interval.low < summary.mean < summary.interval.high, summary.name


def test_class_reports_and_confusion_are_summed_over_seeds_and_equal_scikit_learns(targets):
    predictions = seeds_of(targets, 4, 3, sharpness=1)
    found = classified(predictions, targets, 4)
    y, repeated = np.concatenate([p.argmax(1) for p in predictions]), np.tile(targets, 3)
    assert np.array_equal(found.confusion, confusion_matrix(repeated, y, labels=range(4)))
    p, r, f, _ = precision_recall_fscore_support(repeated, y, labels=range(4), zero_division=0)
    assert [c.precision for c in found.classes] == pytest.approx(list(p))
    assert [c.recall for c in found.classes] == pytest.approx(list(r))
    assert [c.f1 for c in found.classes] == pytest.approx(list(f))
    assert [c.support for c in found.classes] == list(np.bincount(targets))


def test_a_failed_seed_scores_as_the_majority_class_of_the_training_targets(targets):
    train = np.array([2] * 5 + [0, 1, 3])
    found = classified([perfect(targets, 4), None, perfect(targets, 4, 1)], targets, 4, train=train)
    assert found.primary.values == (1.0, pytest.approx((targets == 2).mean()), 1.0)
    assert (found.n_seeds, found.failed_seeds) == (3, 1)
    assert found.baseline == pytest.approx((targets == 2).mean())


def test_a_class_that_training_never_saw_leaves_the_baseline_finite(targets):
    found = classified([None, perfect(targets, 4)], targets, 4, "log_loss", train=np.array([0, 1, 2]))
    assert np.isfinite(found.metrics["log_loss"].values).all()


def test_a_failed_seed_scores_as_the_mean_of_the_training_targets():
    y = np.arange(20.0)
    found = regressed([None, y[:, None].astype(np.float32)], y)
    assert found.primary.values == (pytest.approx(0.0), 1.0)
    assert found.metrics["spearman"].values == (0.0, pytest.approx(1.0))


def test_a_score_of_nothing_but_failed_seeds_is_the_baselines(targets):
    found = classified([None, None], targets, 4)
    assert found.primary.values == (found.baseline,) * 2
    assert found.failed_seeds == 2


def test_metrics_that_need_every_class_are_left_out_and_named_where_one_is_absent():
    targets = np.array([0, 1] * 20)
    found = classified(seeds_of(targets, 3, 2), targets, 3)
    missing = undefined(targets, C, ["a", "b", "c"])
    everything = {m.name for m in METRICS.values() if m.task is C}
    assert set(missing) == {"roc_auc", "average_precision"} == everything - set(found.metrics)
    assert "'c'" in missing["roc_auc"]
    assert found.undefined == dict.fromkeys(missing, "no example of class 'class 2'")
    assert classified(seeds_of(targets, 3, 2), targets, 3, tracked=["roc_auc"]).undefined.keys() == {"roc_auc"}
    assert classified(seeds_of(targets, 3, 2), targets, 3, tracked=["brier"]).undefined == {}
    constant = regressed([np.ones((5, 1), np.float32)], np.ones(5), "mae")
    assert (set(constant.metrics), set(constant.undefined)) == ({"rmse", "mae"}, {"r2", "spearman"})
    assert found.classes[2].support == 0


def test_a_goal_metric_that_the_split_does_not_define_is_an_error_that_says_why():
    targets = np.array([0, 1] * 20)
    with pytest.raises(DataError, match="not defined on the validation rows: no example of class 'class 2'") as caught:
        classified(seeds_of(targets, 3, 2), targets, 3, "roc_auc")
    assert "accuracy" in caught.value.hint
    with pytest.raises(DataError, match="same in every row"):
        regressed([np.ones((5, 1), np.float32)], np.ones(5))


def test_a_metric_of_another_task_is_refused(targets):
    with pytest.raises(UsageError, match="rmse"):
        classified(seeds_of(targets, 4, 1), targets, 4, "rmse")
    with pytest.raises(UsageError, match="r2 cannot be measured") as caught:
        classified(seeds_of(targets, 4, 1), targets, 4, tracked=["f1_macro", "r2"])
    assert "accuracy" in caught.value.hint
    assert "rmse" not in caught.value.hint


@pytest.mark.parametrize("shape", [(299, 4), (300, 3)])
def test_arrays_that_do_not_fit_are_our_bug_and_crash(targets, shape):
    with pytest.raises(InternalError):
        classified([np.zeros(shape, np.float32)], targets, 4)


def test_predictions_that_are_not_finite_are_our_bug_and_crash(targets):
    with pytest.raises(InternalError):
        classified([np.full((300, 4), np.nan, np.float32)], targets, 4)


def test_no_rows_is_a_data_error():
    with pytest.raises(DataError, match="no validation rows"):
        classified([np.zeros((0, 2), np.float32)], np.zeros(0, int), 2, train=np.array([0, 1]))


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_perfect_score_is_not_taken_for_certainty(seeds):
    targets = np.arange(200) % 2
    found = classified([perfect(targets, 2, s) for s in range(seeds)], targets, 2)
    assert found.primary.mean == 1.0
    assert 0.975 < found.primary.interval.low < 0.985
    assert found.primary.interval.high == 1.0


def test_a_perfect_macro_average_is_less_certain_where_a_class_is_small():
    targets = np.array([0] * 195 + [1] * 5)
    found = classified([perfect(targets, 2, s) for s in range(3)], targets, 2)
    assert found.metrics["balanced_accuracy"].interval.low < 0.85 < found.metrics["accuracy"].interval.low


def test_a_score_of_zero_keeps_its_interval_inside_the_range():
    targets = np.arange(100) % 2
    found = classified([perfect(1 - targets, 2, s) for s in range(3)], targets, 2)
    assert found.primary.mean == 0.0
    assert found.primary.interval.low == 0.0
    assert 0.02 < found.primary.interval.high < 0.05


def test_intervals_stay_inside_every_metrics_range():
    rng = np.random.default_rng(0)
    for n, k in ((4, 2), (7, 3), (12, 5)):
        targets = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
        found = classified(seeds_of(targets, k, 3, sharpness=5), targets, k)
        for name, summary in found.metrics.items():
            if summary.interval:
                assert METRICS[name].low <= summary.interval.low <= summary.interval.high <= METRICS[name].high, name


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_handful_of_rows_is_scored_without_a_crash(n):
    targets = np.arange(n) % 2
    assert classified(seeds_of(targets, 2, 2), targets, 2).n_examples == n
    y = np.arange(n, dtype=float)
    assert regressed([np.ones((n, 1), np.float32)] * 2, y, "mae").n_examples == n


def test_one_seed_gives_an_interval_over_examples_and_says_so(targets):
    found = classified(seeds_of(targets, 4, 1), targets, 4)
    assert found.primary.std is None
    assert found.primary.interval.method == "examples only (one seed), score"
    assert "examples only" in found.primary.shown_beside[0].method


def test_seeds_that_cannot_be_told_apart_count_as_one(targets):
    one = seeds_of(targets, 4, 1)[0]
    found = classified([one, one.copy(), one * np.float32(1 + 1e-7)], targets, 4)
    assert found.primary.interval.method == "examples only (seeds indistinguishable), score"
    assert found.n_seeds == 3
    alone = classified([one], targets, 4)
    assert found.primary.interval.low == pytest.approx(alone.primary.interval.low)


def test_seeds_that_differ_in_one_row_are_two(targets):
    one = seeds_of(targets, 4, 1)[0]
    other = one.copy()
    other[-1] += 1
    assert classified([one, other], targets, 4).primary.interval.method.startswith("seeds and examples")


def test_more_seeds_and_more_examples_narrow_the_interval():
    def width(seeds, examples):
        targets = np.arange(examples) % 4
        found = classified(seeds_of(targets, 4, seeds), targets, 4).primary.interval
        return found.high - found.low

    assert width(10, 300) < width(2, 300)
    assert width(3, 5000) < width(3, 300) / 2


def test_the_bootstrap_is_shown_beside_the_goals_metric_alone_and_repeats_exactly(targets):
    predictions = seeds_of(targets, 4, 3)
    first, second = (classified(predictions, targets, 4, "f1_macro") for _ in range(2))
    assert first == second
    assert [n for n, m in first.metrics.items() if m.shown_beside] == ["f1_macro"]
    beside = first.primary.shown_beside[0]
    assert beside.low < first.primary.mean < beside.high
    assert not classified(predictions, targets, 4, bootstrap_draws=0).primary.shown_beside


def test_the_bootstrap_of_a_mean_over_one_seed_has_the_binomial_spread():
    targets = np.zeros(400, int)
    wrong = np.arange(400) < 100
    predictions = [np.stack([~wrong, wrong], axis=1).astype(np.float32)]
    beside = classified(predictions, targets, 2, train=np.array([0, 1])).primary.shown_beside[0]
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert (beside.low, beside.high) == pytest.approx((0.75 - half, 0.75 + half), abs=0.006)


def test_naming_metrics_and_parsing_goals_load_no_numerical_library():
    code = (
        "import sys, fumehood.goal, fumehood.decision, fumehood.scoring as s; print(s.METRICS['r2'].name, *sys.modules)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    ).stdout.split()
    assert out[0] == "r2"
    assert not {"numpy", "scipy", "sklearn", "torch"} & set(out)


def test_metrics_that_are_not_tracked_are_left_out_and_the_goals_never_is(targets):
    found = classified(seeds_of(targets, 4, 2), targets, 4, tracked=["roc_auc"])
    assert set(found.metrics) == {"accuracy", "roc_auc"}
    assert set(classified(seeds_of(targets, 4, 2), targets, 4, tracked=[]).metrics) == {"accuracy"}


def test_classes_are_looked_at_one_by_one_only_where_that_is_wanted(targets):
    whole, short = (classified(seeds_of(targets, 4, 2), targets, 4, by_class=wanted) for wanted in (True, False))
    assert all((whole.classes, whole.confusion, whole.calibration))
    assert (short.classes, short.confusion, short.mistakes, short.calibration) == ((), (), (), ())
    assert short.metrics == whole.metrics
