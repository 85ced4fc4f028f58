"""The figures of a data set from its searches."""

import pytest
from scipy.stats import ttest_rel

from bench.quality.summary import Pair, interval, summary

pytestmark = pytest.mark.unit

PAIRS = [Pair(0.9, "svm", 0.8, 1.0), Pair(0.95, "forest", 0.93, 1.0), Pair(0.97, "svm", 0.99, 1.0)]


def test_the_difference_is_paired_over_the_splits():
    found = summary(PAIRS)
    expected = ttest_rel([p.ours for p in PAIRS], [p.reached for p in PAIRS]).confidence_interval(0.95)
    assert found["difference"]["interval"] == pytest.approx([expected.low, expected.high])
    assert found["difference"]["mean"] == pytest.approx(0.1 / 3)
    assert found["best_baseline"] == {"name": "svm", "mean": pytest.approx(0.90666667)}
    assert found["ours"]["mean"] == pytest.approx(0.94)


def test_one_split_has_no_interval():
    assert interval([0.5]) is None
