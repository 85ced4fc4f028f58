"""The document's ratios are what the README says they are."""

import pytest

from bench import evaluations, searches
from bench.__main__ import chosen, parts
from bench.commands import Usage
from bench.isolated import Timing
from bench.searches import Pair
from fumehood.errors import UsageError

pytestmark = pytest.mark.unit


def test_rooms_are_compared_by_medians_with_the_plain_script_and_with_the_faster_way_of_our_trainer():
    three = [Timing(whole_s=w, inside_s=2.0, train_ready_s=0.1) for w in (4.0, 6.0, 90.0)]
    one = [Timing(whole_s=3.0, inside_s=1.0, train_ready_s=0.1)]
    cold = [Timing(whole_s=w, inside_s=1.0, train_ready_s=r) for w, r in ((9.0, 1.0), (8.0, 5.0), (50.0, 2.0))]
    own = {1: [0.5, 0.4, 0.6], 2: [9.0, 8.0, 7.0]}
    found = evaluations.summarise(three=three, one=one, cold=cold, plain=[5.0, 3.0, 1.0], own=own)
    assert found["eval_ratio"] == 2.0
    assert found["eval_ratio_against_own_trainer"] == 12.0
    assert found["eval_ratio_cold"] == 3.0
    assert found["seeds_ratio"] == 2.0
    assert found["room_ready_s"] == 2.0


def test_a_candidate_costs_what_a_long_run_takes_more_than_a_short_one():
    def pair(long_cpu: float, short_cpu: float, search: float, bare: float, rss: float) -> Pair:
        return Pair(Usage(9.0, long_cpu, rss, b""), Usage(3.0, short_cpu, 50.0, b""), search, bare, None)

    pairs = [
        pair(1.9, 1.5, 10.0, 9.0, 100.0),
        pair(1.8, 9.0, 20.0, 5.0, 120.0),
        pair(2.5, 1.4, 9.0, 99.0, 90.0),
    ]
    found = searches.summarise(pairs)
    assert found["controller_cpu_ms_per_candidate"] == pytest.approx(100.0)
    assert found["throughput_ratio"] == pytest.approx(0.9)
    assert found["controller_rss_mb"] == 120.0


def test_items_are_chosen_by_number_and_an_unknown_one_is_refused():
    every = parts((), times=7, cold=False)
    assert chosen("", every) == list(every)
    assert [sorted(part.items) for part in chosen("4, 3", every)] == [["1", "3"], ["4"]]
    with pytest.raises(UsageError, match="item 12"):
        chosen("1,12", every)
