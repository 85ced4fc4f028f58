"""Every metric's value against scikit-learn's or scipy's own, every pseudo-value against leaving the example out."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import spearmanr
from sklearn import metrics as sk
from sklearn.preprocessing import label_binarize

from fumehood.scoring import METRICS, confusion, probability, ranking, regression
from fumehood_shared.messages import Task

pytestmark = pytest.mark.unit
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


def classification_case(seed, n, k, sharpness=1.0):
    rng = np.random.default_rng(seed)
    targets = np.concatenate([np.tile(np.arange(k), 2), rng.integers(0, k, n - 2 * k)])
    logits = (rng.normal(size=(n, k)) + sharpness * np.eye(k)[targets]).astype(np.float32)
    return targets, logits


def measure_classes(targets, logits):
    probabilities = probability.softmax(logits)
    return (
        confusion.measure(targets, logits.argmax(1), logits.shape[1])
        | probability.measure(targets, probabilities)
        | ranking.measure(targets, probabilities)
    )


def sklearn_classes(targets, logits):
    k = logits.shape[1]
    p = softmax(logits.astype(np.float64), axis=1)
    y = logits.argmax(1)
    out = {"accuracy": sk.accuracy_score(targets, y), "balanced_accuracy": sk.balanced_accuracy_score(targets, y)}
    for name, f in (("f1", sk.f1_score), ("precision", sk.precision_score), ("recall", sk.recall_score)):
        for average in ("macro", "micro", "weighted"):
            out[f"{name}_{average}"] = f(targets, y, average=average, zero_division=0)
    out["log_loss"] = sk.log_loss(targets, p, labels=list(range(k)))
    if k == 2:
        out["roc_auc"] = sk.roc_auc_score(targets, p[:, 1])
        out["average_precision"] = sk.average_precision_score(targets, p[:, 1])
        out["brier"] = sk.brier_score_loss(targets, p[:, 1])
    else:
        onehot = label_binarize(targets, classes=list(range(k)))
        out["roc_auc"] = sk.roc_auc_score(targets, p, multi_class="ovr", average="macro")
        out["average_precision"] = sk.average_precision_score(onehot, p, average="macro")
        out["brier"] = ((p - onehot) ** 2).sum(1).mean()
    return out


@pytest.mark.parametrize("k", [2, 3, 10])
@pytest.mark.parametrize("seed", range(6))
def test_classification_metrics_equal_scikit_learns(seed, k):
    targets, logits = classification_case(seed, 40 + 37 * seed, k, sharpness=seed / 2)
    ours = {name: m.value for name, m in measure_classes(targets, logits).items()}
    theirs = sklearn_classes(targets, logits)
    assert set(ours) == set(theirs) | {"calibration_error"}
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, err_msg=name, **CLOSE)


@pytest.mark.parametrize("k", [2, 4])
def test_tied_scores_count_as_in_scikit_learn(k):
    targets, logits = classification_case(3, 120, k)
    coarse = np.round(logits)
    ours, theirs = measure_classes(targets, coarse), sklearn_classes(targets, coarse)
    for name in ("roc_auc", "average_precision"):
        np.testing.assert_allclose(ours[name].value, theirs[name], **CLOSE)


@pytest.mark.parametrize("present", [(0, 2), (1,), (0, 1, 2)])
def test_classes_without_examples_do_not_shift_the_averages(present):
    rng = np.random.default_rng(7)
    targets = rng.choice(present, 60)
    logits = rng.normal(size=(60, 5)).astype(np.float32)
    logits[:, 4] = -50
    ours, y = confusion.measure(targets, logits.argmax(1), 5), logits.argmax(1)
    for name, f in (("f1", sk.f1_score), ("precision", sk.precision_score), ("recall", sk.recall_score)):
        for average in ("macro", "weighted"):
            expected = f(targets, y, average=average, zero_division=0)
            np.testing.assert_allclose(ours[f"{name}_{average}"].value, expected, **CLOSE)
    recalls = [(y[targets == c] == c).mean() for c in sorted(set(targets))]
    np.testing.assert_allclose(ours["balanced_accuracy"].value, np.mean(recalls), **CLOSE)


def test_huge_logits_give_finite_probabilities_and_scikit_learns_log_loss():
    logits = np.array([[3e38, -3e38, 0], [1e5, 1e5, -1e5], [-1e30, 0, 1e30]], dtype=np.float32)
    p = probability.softmax(logits)
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(1), 1, **CLOSE)
    targets = np.array([1, 0, 2])
    expected = sk.log_loss(targets, p, labels=[0, 1, 2])
    np.testing.assert_allclose(probability.measure(targets, p)["log_loss"].value, expected, rtol=1e-9)


def naive_calibration_error(targets, p):
    top, confidence, total = p.argmax(1), p.max(1), 0.0
    for b in range(15):
        inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
        if inside.any():
            gap = (top[inside] == targets[inside]).mean() - confidence[inside].mean()
            total += inside.mean() * abs(gap)
    return total


@pytest.mark.parametrize("seed", range(4))
def test_calibration_error_is_the_weighted_gap_of_fifteen_bins(seed):
    targets, logits = classification_case(seed, 200, 4, sharpness=2)
    p = probability.softmax(logits * 2)
    ours = probability.measure(targets, p)["calibration_error"]
    np.testing.assert_allclose(ours.value, naive_calibration_error(targets, p), **CLOSE)
    keep = np.arange(200) != 11
    without = naive_calibration_error(targets[keep], p[keep])
    np.testing.assert_allclose(ours.pseudo[11], 200 * ours.value - 199 * without, rtol=1e-7, atol=1e-9)


def regression_case(seed, n, t, ties=False):
    rng = np.random.default_rng(seed)
    y = rng.normal(100, 30, size=(n, t))
    x = y + rng.normal(0, 20, size=(n, t))
    return (np.round(y, -1), np.round(x, -1)) if ties else (y, x)


@pytest.mark.parametrize("t", [1, 3])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_regression_metrics_equal_scikit_learns_and_scipys(seed, ties, t):
    y, x = regression_case(seed, 50, t, ties)
    ours = {name: m.value for name, m in regression.measure(y, x).items()}
    theirs = {
        "r2": sk.r2_score(y, x),
        "rmse": sk.root_mean_squared_error(y, x),
        "mae": sk.mean_absolute_error(y, x),
        "spearman": np.mean([spearmanr(y[:, i], x[:, i]).statistic for i in range(t)]),
    }
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, err_msg=name, **CLOSE)


def test_a_constant_target_has_no_r2_and_no_rank_correlation():
    assert set(regression.measure(np.ones((9, 1)), np.arange(9.0)[:, None])) == {"rmse", "mae"}


def test_a_constant_prediction_ranks_nothing():
    assert regression.measure(np.arange(9.0)[:, None], np.ones((9, 1)))["spearman"].value == 0.0


def assert_pseudo_values_leave_one_out(measure, arrays, names, skip=()):
    n = len(arrays[0])
    whole = measure(*arrays)
    for i in [j for j in range(n) if j not in skip]:
        keep = np.arange(n) != i
        without = measure(*(a[keep] for a in arrays))
        for name in names:
            expected = n * whole[name].value - (n - 1) * without[name].value
            np.testing.assert_allclose(whole[name].pseudo[i], expected, rtol=1e-7, atol=1e-8, err_msg=f"{name} {i}")


@pytest.mark.parametrize("k", [2, 3, 6])
@pytest.mark.parametrize("rounded", [False, True])
def test_pseudo_values_of_classification_leave_exactly_one_example_out(k, rounded):
    targets, logits = classification_case(5, 60, k, sharpness=1)
    logits = np.round(logits) + np.arange(k) * 1e-3 if rounded else logits
    names = [n for n, m in METRICS.items() if m.task is Task.CLASSIFICATION]
    assert_pseudo_values_leave_one_out(measure_classes, (targets, logits), names)


def test_a_class_that_disappears_with_its_only_example_leaves_the_average():
    targets = np.array([0, 0, 0, 1, 1, 2, 1, 0])
    predicted = np.array([0, 1, 0, 1, 1, 3, 0, 0])
    names = ["f1_macro", "precision_macro", "recall_macro", "f1_weighted", "precision_weighted", "balanced_accuracy"]
    assert_pseudo_values_leave_one_out(lambda t, p: confusion.measure(t, p, 5), (targets, predicted), names)


@pytest.mark.parametrize("t", [1, 2])
def test_pseudo_values_of_regression_leave_exactly_one_example_out(t):
    y, x = regression_case(1, 40, t)
    assert_pseudo_values_leave_one_out(regression.measure, (y, x), ["r2", "rmse", "mae"])


@pytest.mark.parametrize("ties", [False, True])
def test_influence_of_an_example_on_spearman_approaches_its_pseudo_value(ties):
    y, x = regression_case(2, 1500, 1, ties)
    whole = regression.measure(y, x)["spearman"]
    influence, exact = whole.pseudo[:200] - whole.value, []
    for i in range(200):
        keep = np.arange(1500) != i
        exact.append(1499 * (whole.value - spearmanr(y[keep, 0], x[keep, 0]).statistic))
    np.testing.assert_allclose(influence, exact, atol=0.02)


def test_one_example_of_a_class_gives_a_ranking_but_no_pseudo_values():
    targets = np.array([0, 0, 0, 1])
    p = probability.softmax(np.array([[1, 0], [2, 0], [0, 1], [0, 2.0]]))
    found = ranking.measure(targets, p)
    assert found["roc_auc"].value == 1.0
    assert found["roc_auc"].pseudo is None
    assert found["average_precision"].pseudo is None


def test_every_metric_is_computed_for_its_task():
    y, x = regression_case(0, 30, 1)
    measured = set(measure_classes(*classification_case(0, 30, 3))) | set(regression.measure(y, x))
    assert measured == set(METRICS)
