"""The document's ratios are what the README says they are."""

import pytest

from bench.isolated import Timing
from bench.overhead import summarise

pytestmark = pytest.mark.unit


def test_rooms_are_compared_with_the_faster_bare_way_by_medians():
    three = [Timing(whole_s=w, inside_s=2.0, train_ready_s=1.0) for w in (4.0, 6.0, 90.0)]
    one = [Timing(whole_s=3.0, inside_s=1.0, train_ready_s=1.0)]
    found = summarise(three, one, {1: [0.5, 0.4, 0.6], 2: [9.0, 8.0, 7.0]})
    assert found["seconds_per_evaluation"] == 6.0
    assert found["container_overhead"]["warm"] == 4.0
    assert found["container_overhead"]["whole"] == 12.0
    assert found["seeds_ratio"] == {"warm": 2.0, "whole": 2.0}
