"""Evidence about the same is united, what is contradicted is demoted, and nothing is deleted."""

import itertools

import pytest

from fakes.insights import data, evidence, failure, insight, pattern, result
from fumehood.memory.hygiene import demotions, moment, subject, united
from fumehood.records.insight import Kind

pytestmark = [pytest.mark.memory, pytest.mark.unit]
EARLY, LATE = "2026-11-01T00:00:00+00:00", "2026-11-02T00:00:00Z"


def test_a_newer_result_that_intervals_do_not_explain_demotes_the_older():
    old, new = result(0.95, "r1", created_at=EARLY), result(0.80, "r2", created_at=LATE)
    assert demotions([old, new]) == demotions([new, old]) == {old.id: new.id}


def test_results_within_their_intervals_stand_side_by_side():
    assert demotions([result(0.95, "r1", created_at=EARLY), result(0.955, "r2", created_at=LATE)]) == {}


def test_weaker_evidence_demotes_nothing():
    old = result(0.95, "r1", created_at=EARLY, evidence=(evidence(0.95, run="r1", n_seeds=9),))
    new = result(0.80, "r2", created_at=LATE, evidence=(evidence(0.80, run="r2", n_seeds=2),))
    assert demotions([old, new]) == {}


def test_a_failure_is_demoted_by_a_later_result_and_not_by_an_earlier():
    failed, worked = failure(created_at=EARLY), result(run="r2", created_at=LATE)
    assert demotions([failed, worked]) == {failed.id: worked.id}
    assert demotions([failure(created_at=LATE), result(run="r2", created_at=EARLY)]) == {}


def test_a_pattern_is_demoted_by_its_opposite_with_as_much_evidence():
    well, behind = pattern("well", "r1", created_at=EARLY), pattern("behind", "r2", created_at=LATE)
    assert demotions([well, behind]) == {well.id: behind.id}
    strong = united(pattern("well", "r3", created_at=EARLY), [well])
    assert demotions([strong, behind]) == {}


def test_patterns_of_one_run_say_so_and_unite_with_those_of_others():
    first, second = pattern(run="r1", mean=0.9), pattern(run="r2", mean=0.95)
    assert "evidence from one run only" in first.text
    both = united(second, [first])
    assert both.id == second.id
    assert both.runs == 2
    assert "evidence from 2 runs" in both.text
    assert both.importance > second.importance
    assert demotions([first, both]) == {first.id: both.id}


def test_a_failure_that_came_again_is_remembered_under_the_loosest_limits():
    loose, tight = ({"limits": {"wall_s": wall, "memory": memory}} for wall, memory in ((600.0, 1), (60.0, 2)))
    first, second = failure(run="r1"), failure(run="r2")
    first = first.model_copy(update={"details": {**first.details, **loose}})
    second = second.model_copy(update={"details": {**second.details, **tight}})
    assert united(second, [first]).details["limits"] == {"wall_s": 600.0, "memory": 2}


def test_failures_unite_only_where_kind_and_cause_are_the_same():
    first = failure("oom", "r1")
    assert "seen in 2 runs" in united(failure("oom", "r2"), [first]).text
    assert united(other := failure("timeout", "r2"), [first]) == other


def test_what_was_demoted_lends_no_evidence_and_takes_none():
    gone = pattern(run="r1").model_copy(update={"demoted_by": "f" * 32})
    assert united(one := pattern(run="r2"), [gone]) == one
    assert united(gone, [pattern(run="r2")]) == gone
    assert demotions([gone, pattern("behind", "r3", created_at=LATE)]) == {}


def test_other_kinds_have_no_subject_and_different_configurations_different_ones():
    assert subject(insight()) is None
    assert subject(result(details={})) is None
    assert subject(result()) == subject(failure()) != subject(result(configuration="c2"))
    assert subject(result()) != subject(result(data=data(source_digest="other")))


def test_there_are_no_circles_whatever_the_order():
    group = [
        result(mean, f"r{i}", created_at=f"2026-11-0{1 + i}T00:00:00+00:00") for i, mean in enumerate((0.9, 0.5, 0.9))
    ]
    group.append(failure(created_at=EARLY))
    for order in itertools.permutations(group):
        found = demotions(order)
        for identifier in found:
            seen, at = set(), identifier
            while at in found:
                assert at not in seen
                seen.add(at)
                at = found[at]


def test_a_time_is_read_as_it_is_written_and_nonsense_is_long_ago():
    assert moment("2026-11-02T00:00:00Z") == moment("2026-11-02T00:00:00") == moment("2026-11-02T01:00:00+01:00")
    assert moment("noon").year == 1970


@pytest.mark.memory
def test_the_memory_demotes_in_the_database_and_deletes_nothing(store):
    old = pattern("well", "r1", created_at=EARLY)
    store.add([old])
    store.add([pattern("behind", "r2", created_at=LATE)])
    (first, second) = store.all()
    assert (first.id, first.demoted_by) == (old.id, second.id)
    assert store.stats().demoted == 1


def test_runs_that_are_stored_one_after_the_other_add_up(store):
    for run in ("r1", "r2", "r3"):
        store.add([pattern(run=run), failure(run=run)])
    standing = [one for one in store.all() if one.demoted_by is None]
    assert {one.kind for one in standing} == {Kind.PATTERN, Kind.FAILURE}
    assert all("3 runs" in one.text for one in standing)


def test_runs_that_are_stored_at_once_add_up_the_same(store):
    store.add([pattern(run=run) for run in ("r1", "r2", "r3")])
    standing = [one for one in store.all() if one.demoted_by is None]
    assert [one.runs for one in standing] == [3]


WEIRD = (None, 3, "x", [], [None], [{}], {}, {"a": [1]}, True, 0.5)


@pytest.mark.parametrize("weird", WEIRD, ids=str)
def test_insights_that_somebody_else_wrote_are_taken_in_whatever_their_details(store, weird):
    keys = ("runs", "limits", "verdict", "cause", "family", "configuration", "failure_kind", "data_kind", "metric")
    given = []
    for make in (result, pattern, failure):
        for key in keys:
            for run in ("r1", "r2"):
                one = make(run=run)
                given.append(one.model_copy(update={"details": {**one.details, key: weird}}))
        given += [insight(kind=one.kind, details={"limits": weird}, data=data()) for one in given[-2:]]
    assert store.add(given[::2]) + store.add(given[1::2]) == len(given)
    assert len(store.all()) == len(given)
    assert store.search("cnn accuracy")


def test_limits_that_are_no_numbers_are_left_out():
    first, second = (
        one.model_copy(update={"details": {**one.details, "limits": limits}})
        for one, limits in ((failure(run="r1"), {"wall_s": "long"}), (failure(run="r2"), {"wall_s": 3.0, "x": None}))
    )
    assert united(second, [first]).details["limits"] == {"wall_s": 3.0}
