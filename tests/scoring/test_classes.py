"""Class by class: rates with intervals, mistakes, and the calibration curve."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve

from fumehood.scoring import METRICS, classes, confusion, probability
from fumehood.scoring.intervals import interval, wilson
from fumehood.scoring.measured import jackknifed, mean_of

pytestmark = pytest.mark.unit
NAMES = ("a", "b", "c")


def predictions(rng, targets, seeds, wrong=0.2, rho=0.5):
    """Each seed takes a class for the next one, with noise that seeds share in part."""
    easy = rng.standard_normal(len(targets))
    limit = np.quantile(rng.standard_normal(200_000), 1 - wrong)
    noise = np.sqrt(rho) * easy + np.sqrt(1 - rho) * rng.standard_normal((seeds, len(targets)))
    return [np.where(n > limit, (targets + 1) % 3, targets) for n in noise]


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    targets = np.digitize(rng.random(300), [0.5, 0.8])
    return targets, predictions(rng, targets, 3)


def left_out(targets, predicted, rate, k):
    """The rate of class k without each example in turn, by counting anew."""
    keep = ~np.eye(len(targets), dtype=bool)
    counts = [np.array([(predicted[m] == k)[targets[m] == k].sum(), (predicted[m] == k).sum(), (targets[m] == k).sum()])
              for m in keep]  # fmt: skip
    return np.array([rate(confusion.Counts(*c.astype(float).reshape(3, 1)))[0] for c in counts])


@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
def test_intervals_of_a_class_are_those_of_leaving_out_one_example_at_a_time(case, name):
    targets, predicted = case
    for k, report in enumerate(classes.reports(targets, predicted, range(3), NAMES, 0.95)):
        rate, measured = confusion.RATES[name], []
        for p in predicted:
            whole = confusion.matrix(targets, p, 3)
            value = rate(confusion.Counts(*(x.astype(float) for x in (whole.diagonal(), whole.sum(0), whole.sum(1)))))[
                k
            ]
            size = {"precision": whole.sum(0)[k], "recall": whole.sum(1)[k], "f1": whole.sum(0)[k] + whole.sum(1)[k]}
            measured.append(jackknifed(value, left_out(targets, p, rate, k), float(size[name])))
        expected = interval(METRICS["accuracy"], measured, 0.95)
        found = getattr(report, f"{name}_interval")
        assert found.low < getattr(report, name) < found.high
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.004)


def test_intervals_of_a_class_cover_its_rates():
    rng, hits, number = np.random.default_rng(1), np.zeros(3), 300
    for _ in range(number):
        targets = np.digitize(rng.random(400), [0.5, 0.8])
        found = classes.reports(targets, predictions(rng, targets, 3), range(3), NAMES, 0.95)[1]
        # Class b: 30% of examples, a fifth of them lost to c, and a fifth of a's 50% taken in.
        precision, recall = 0.24 / 0.34, 0.8
        truths = (precision, recall, 2 * 0.24 / (0.34 + 0.3))
        intervals = (found.precision_interval, found.recall_interval, found.f1_interval)
        hits += [i.low <= t <= i.high for i, t in zip(intervals, truths, strict=True)]
    assert (hits / number >= 0.925).all()


def test_classes_that_are_never_predicted_or_have_no_example_have_no_interval_there():
    targets = np.array([0, 0, 0, 1, 1, 0])
    predicted = [np.array([0, 0, 2, 0, 0, 0]), np.array([0, 2, 2, 0, 0, 0])]
    a, b, c = classes.reports(targets, predicted, range(2), NAMES, 0.95)
    assert None not in (a.precision_interval, a.recall_interval, a.f1_interval)
    assert (b.precision_interval, b.recall) == (None, 0.0)
    assert b.recall_interval.low == 0.0
    assert (c.recall_interval, c.support) == (None, 0)


def test_mistakes_are_named_most_frequent_first_with_their_share_of_the_true_class(case):
    targets, predicted = case
    found = classes.mistakes(targets, predicted, range(3), NAMES, 0.9)
    table = classes.matrix(targets, predicted, 3)
    assert [(m.true, m.predicted) for m in found] == [("a", "b"), ("b", "c"), ("c", "a")]
    assert [m.count for m in found] == [table[0, 1], table[1, 2], table[2, 0]]
    for m, size in zip(found, np.bincount(targets), strict=True):
        assert m.rate == m.count / (3 * size)
        assert m.interval.low < m.rate < m.interval.high
        assert m.interval.level == 0.9


def test_mistakes_that_were_picked_have_intervals_that_allow_for_it(case):
    """Three of six kinds are shown, so that each misses half as often as it would alone."""
    targets, predicted = case
    found = classes.mistakes(targets, predicted, range(3), NAMES, 0.9)[0].interval
    first = [mean_of((p[targets == 0] == 1).astype(float)) for p in predicted]
    expected = interval(METRICS["accuracy"], first, 0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert (found.level, found.method) == (0.9, f"most frequent picked, {expected.method}")


def test_mistakes_of_which_none_is_left_out_have_the_interval_of_any_rate():
    targets = np.arange(200) % 2
    predicted = [np.where(np.random.default_rng(k).random(200) < 0.2, 1 - targets, targets) for k in range(3)]
    found = classes.mistakes(targets, predicted, range(3), NAMES[:2], 0.9)[0]
    true = NAMES.index(found.true)
    rates = [mean_of((p[targets == true] != true).astype(float)) for p in predicted]
    assert found.interval == interval(METRICS["accuracy"], rates, 0.9)


def test_no_mistakes_at_all_are_no_mistakes_named():
    targets = np.arange(30) % 3
    assert classes.mistakes(targets, [targets, targets], range(2), NAMES, 0.95) == ()


def test_only_the_most_frequent_of_many_mistakes_are_named():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 10, 2000)
    found = classes.mistakes(targets, [rng.integers(0, 10, 2000)], [0], [str(k) for k in range(10)], 0.95)
    assert len(found) == classes.MOST
    assert [m.count for m in found] == sorted((m.count for m in found), reverse=True)


def test_the_calibration_curve_is_scikit_learns_over_all_seeds():
    rng = np.random.default_rng(2)
    targets = rng.integers(0, 2, 500)
    logits = [rng.normal(0, 2, (500, 2)) + np.eye(2)[targets] for _ in range(2)]
    found = probability.calibration(targets, logits, range(2), 0.95)
    p = np.concatenate([probability.softmax(o) for o in logits])
    right = p.argmax(1) == np.tile(targets, 2)
    accuracy, confidence = calibration_curve(right, p.max(1), n_bins=probability.CALIBRATION_BINS)
    assert [b.accuracy for b in found] == pytest.approx(list(accuracy))
    assert [b.confidence for b in found] == pytest.approx(list(confidence))
    assert sum(b.count for b in found) == 1000
    assert all(b.low < b.confidence <= b.high for b in found)
    gap = sum(b.count * abs(b.accuracy - b.confidence) for b in found) / 1000
    both = [probability.measure(targets, probability.softmax(o))["calibration_error"].value for o in logits]
    assert gap <= np.mean(both) + 1e-12


def test_a_bin_has_the_interval_of_a_ratio_over_seeds_and_wilsons_where_a_seed_has_none_in_it():
    right = np.arange(40) % 4 > 0
    targets = np.zeros(40, np.int64)
    sure = np.where(right, 3.0, -3.0)  # probability 0.95
    unsure = sure / 6  # 0.62
    logits = [np.stack([m, np.zeros(40)], axis=1) for m in (sure, np.roll(sure, 1), np.r_[unsure[:10], sure[10:]])]
    low, high = probability.calibration(targets, logits, range(3), 0.9)
    assert (low.count, high.count) == (10, 110)
    assert low.interval == wilson(low.accuracy, 10 / 3, 0.9)
    assert high.interval.method == "seeds and examples, score"
    assert high.interval.low < high.accuracy < high.interval.high
    alone = probability.calibration(targets, logits[:2], range(1), 0.9)[0]
    assert (alone.count, alone.interval) == (80, interval(METRICS["accuracy"], [mean_of(right.astype(float))], 0.9))


@pytest.mark.parametrize(("hits", "number"), [(0, 10), (7, 10), (93, 100), (100, 100)])
def test_wilsons_interval_is_scipys(hits, number):
    expected = binomtest(hits, number).proportion_ci(0.9, "wilson")
    found = wilson(hits / number, number, 0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
