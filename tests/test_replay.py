"""What a replay is worth: bits decide where they agree, then the interval of the first time."""

import pytest

from fumehood.records import Interval, MetricSummary
from fumehood.replay import SeedComparison, Verdict, judge

pytestmark = pytest.mark.unit
SAME = SeedComparison(seed=0, same=True, then="a", now="a")
OTHER = SeedComparison(seed=1, same=False, then="a", now="b")


def summary(mean, low=None, high=None):
    interval = None if low is None else Interval(low=low, high=high, level=0.95, method="m")
    values = {"min": mean, "max": mean, "values": (mean,), "std": None}
    return MetricSummary(name="accuracy", direction="max", mean=mean, interval=interval, **values)


@pytest.mark.parametrize(
    ("seeds", "then", "now", "expected"),
    [
        ((SAME, SAME), summary(0.9, 0.8, 0.95), summary(0.9), Verdict.BIT_BY_BIT),
        ((SAME,), None, None, Verdict.BIT_BY_BIT),
        ((SAME, OTHER), summary(0.9, 0.8, 0.95), summary(0.8), Verdict.WITHIN_INTERVAL),
        ((OTHER,), summary(0.9, 0.8, 0.95), summary(0.95), Verdict.WITHIN_INTERVAL),
        ((OTHER,), summary(0.9, 0.8, 0.95), summary(0.799), Verdict.NOT_REPRODUCED),
        ((OTHER,), summary(0.9, 0.8, 0.95), summary(0.96), Verdict.NOT_REPRODUCED),
        ((OTHER,), summary(0.9), summary(0.9), Verdict.NOT_REPRODUCED),
        ((OTHER,), summary(0.9, 0.8, 0.95), None, Verdict.NOT_REPRODUCED),
        ((OTHER,), None, summary(0.9), Verdict.NOT_REPRODUCED),
    ],
)
def test_a_verdict_follows_from_bits_first_and_then_from_the_interval(seeds, then, now, expected):
    assert judge(seeds, then, now) is expected
