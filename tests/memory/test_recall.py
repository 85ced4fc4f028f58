"""What is recalled is to the point: for these data, in this phase, without repeating itself, and says why."""

import sqlite3

import pytest

from fakes.insights import TABLE, data, failure, insight, pattern, result
from fumehood.memory.likeness import kind_of_data, similarity
from fumehood.memory.store import MemoryStore, Query
from fumehood.records import Phase
from fumehood.records.insight import Kind
from fumehood_shared.messages import Landmarks

pytestmark = pytest.mark.memory


def ask(store, words="reach a high accuracy", about=None, phase=Phase.PLANNING, limit=3, kinds=None):
    return store.recall(Query(about, phase, words, kinds), limit)


def test_results_on_alike_data_come_before_others(store):
    other_rows = data(rows=900, source_digest="letters", spec="letters", num_outputs=26)
    ours, alike, table = result(), result(data=other_rows), result(data=TABLE)
    store.add([table, alike, ours])
    found = ask(store, about=data())
    assert [one.insight.id for one in found] == [ours.id, alike.id, table.id]
    assert "the same data set" in found[0].reason
    assert "data alike to" in found[1].reason
    assert found[0].score > found[1].score > found[2].score


def test_failures_come_first_where_failures_are_looked_into(store):
    store.add([result(), failure(configuration="c2"), pattern()])
    assert ask(store, about=data(), phase=Phase.EVALUATION)[0].insight.kind is Kind.FAILURE
    assert ask(store, about=data(), phase=Phase.PLANNING)[0].insight.kind is not Kind.FAILURE


def test_words_find_what_they_are_about(store):
    store.add([insight(f"Unrelated remark number {i} about schedules.") for i in range(300)])
    store.add([insight("Batch normalisation diverges with a batch of one.")])
    (best, *_) = store.search("batch normalisation diverges")
    assert best.insight.text.startswith("Batch normalisation")
    assert "its text fits" in best.reason
    assert store.search("zebra") == ()


def test_only_the_kinds_that_are_wanted_come(store):
    store.add([result(), failure(configuration="c2"), insight("note")])
    wanted = frozenset({Kind.FAILURE})
    assert {one.insight.kind for one in ask(store, kinds=wanted)} == wanted
    assert ask(store, kinds=frozenset()) == ()


def test_what_is_important_and_new_comes_before_what_is_not(store):
    old = insight("Use dropout.", created_at="2020-01-01T00:00:00+00:00")
    new = insight("Use dropout.", created_at="2026-11-01T00:00:00+00:00")
    weighty = insight("Use dropout.", created_at="2026-11-01T00:00:00+00:00", importance=0.9)
    store.add([old, new, weighty])
    assert [one.insight.id for one in store.search("use dropout")] == [weighty.id, new.id, old.id]


def test_what_was_demoted_comes_last_and_says_so(store):
    first = failure(created_at="2026-11-01T00:00:00+00:00")
    store.add([first])
    store.add([result(created_at="2026-11-02T00:00:00+00:00"), insight("Something else about cnn and oom.")])
    found = ask(store, "cnn failed with oom", about=data(), phase=Phase.EVALUATION)
    assert [one.insight.id for one in found][-1] == first.id
    assert "demoted" in found[-1].reason


def test_the_same_is_not_said_over_and_over(store):
    store.add([result(0.95 + i / 1000, run=f"run-{i}") for i in range(6)])
    store.add([pattern(), insight("A note about digits and accuracy.", data=data())])
    kinds = [one.insight.kind for one in ask(store, about=data(), limit=3)]
    assert len(set(kinds)) == 3


def test_what_others_change_is_noticed(store, file):
    store.add([insight("first alpha")])
    assert len(store.search("alpha")) == 1
    with MemoryStore.open(str(file)) as other:
        second = insight("second alpha")
        other.add([second])
        assert len(store.search("alpha")) == 2
        other.forget(ids=[second.id])
        assert [one.insight.text for one in store.search("alpha")] == ["first alpha"]
        other.add([insight("third alpha")])
        other.forget(ids=[store.all()[0].id])
        assert [one.insight.text for one in store.search("alpha")] == ["third alpha"]


def test_an_insight_that_was_committed_late_is_not_missed(store, file):
    """On a server, numbers are given before they are committed; here a row is put among the numbers by hand."""
    store.add([insight(f"alpha {i}") for i in range(3)])
    late = store.all()[0]
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE fumehood_insight SET number = number + 10")
    store.search("alpha")
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE fumehood_insight SET number = 1, id = ? WHERE id = ?", ("f" * 32, late.id))
    assert {one.insight.id for one in store.search("alpha")} == {one.id for one in store.all()}


def test_likeness_is_ordered_as_a_person_would_order_it():
    same = similarity(data(), data())
    fewer = similarity(data(), data(rows=500))
    other = similarity(data(), data(source_digest="x", rows=1500, num_outputs=10))
    larger = similarity(data(), data(source_digest="x", rows=50_000, input_shape=(3, 32, 32)))
    table = similarity(data(), TABLE)
    regression = similarity(TABLE, data(task="regression", input_kind="tabular", source_digest="y", input_shape=(10,)))
    assert 1 == same > fewer > other > larger > regression > table >= 0
    assert similarity(TABLE, data()) == table


def test_data_are_more_alike_the_closer_simple_models_get_to_them():
    there = data(landmarks=Landmarks(linear=0.5, smooth=0.5))
    others = [data(source_digest="x", landmarks=Landmarks(linear=0.5, smooth=far)) for far in (0.5, 0.6, 0.9, 1.0)]
    alike = [similarity(there, one) for one in others]
    assert alike[0] > alike[1] > alike[2]
    assert alike[3] < 0.6 < alike[0] < 0.95
    assert similarity(there, data(source_digest="x")) == similarity(data(), data(source_digest="x"))


def test_kinds_of_data_are_in_words():
    assert kind_of_data(TABLE) == "tabular classification into several classes with fewer than 500 rows"
    assert kind_of_data(data(task="regression", num_outputs=1)) == "image regression with 500 to 5,000 rows"
