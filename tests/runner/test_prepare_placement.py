"""Groups stay whole, time goes forward, and neither column is a feature."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the prepare room's libraries are not installed")

from hypothesis import given
from hypothesis import strategies as st
from prepare_room import SPLITS, Room, table

from fumehood_runner.prepare.placement import Groups, Times
from fumehood_runner.prepare.split import place
from fumehood_shared.messages import CsvSource, JsonlSource, RefusalKind

pytestmark = pytest.mark.runner

GROUPED = CsvSource(target="y", group="who")
TIMED = CsvSource(target="y", time="when")


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


@given(st.lists(st.integers(0, 12), min_size=20, max_size=200), st.integers(0, 1000))
def test_no_group_is_in_two_splits_and_no_split_is_empty(groups, seed):
    codes = np.unique(groups, return_inverse=True)[1]
    if codes.max() < 2:
        return
    strata = np.arange(len(codes)) % 3
    found, _ = place(Groups("g", codes), strata, seed, 0.2, 0.2)
    parts = [found.rows(name) for name in SPLITS]
    assert sorted(np.concatenate(parts)) == list(range(len(codes)))
    assert all(len(rows) for rows in parts)
    held = [set(codes[rows].tolist()) for rows in parts]
    assert sum(map(len, held)) == len(set.union(*held))


def test_many_groups_keep_sizes_and_classes_near_their_shares():
    random = np.random.RandomState(0)
    codes = np.unique(random.randint(0, 80, 2000), return_inverse=True)[1]
    strata = (random.rand(2000) < 0.1 + 0.2 * (codes % 2)).astype(np.int64)
    found, _ = place(Groups("g", codes), strata, 0, 0.2, 0.2)
    for name, share in zip(SPLITS, (0.6, 0.2, 0.2), strict=True):
        rows = found.rows(name)
        assert abs(len(rows) / 2000 - share) < 0.02
        assert abs(strata[rows].mean() - strata.mean()) < 0.02


def test_another_seed_deals_groups_of_different_size_another_way():
    codes = np.repeat(np.arange(30), np.arange(20, 50))
    strata = np.zeros(len(codes), dtype=np.int64)
    one, other = (place(Groups("g", codes), strata, seed, 0.2, 0.2)[0] for seed in (1, 2))
    assert not np.array_equal(one.test, other.test)


@given(st.lists(st.integers(0, 40), min_size=20, max_size=200))
def test_time_goes_from_training_through_validation_to_test_and_ties_stay_together(times):
    values = np.array(times, dtype=np.float64)
    if len(np.unique(values)) < 3:
        return
    found, _ = place(Times("t", values), np.zeros(len(values), dtype=np.int64), 0, 0.2, 0.2)
    train, validation, test = (values[found.rows(name)] for name in SPLITS)
    assert train.max() < validation.min() <= validation.max() < test.min()


@pytest.mark.parametrize(
    "moment",
    [
        lambda i: i * 3.5,
        lambda i: f"2024-{1 + i // 28:02d}-{1 + i % 28:02d}",
        lambda i: f"2024-05-17T{i // 4:02d}:{i % 4 * 15:02d}:00+02:00",
    ],
    ids=["numbers", "dates", "moments"],
)
def test_the_newest_rows_are_the_test_rows(room, moment):
    order = np.random.RandomState(0).permutation(60)
    rows = [f"{i * i},{moment(i)},{'ab'[i % 2]}" for i in order.tolist()]
    prepared = room.put(table("x,when,y", rows)).load(TIMED)
    encoding = prepared.reply.encoding.columns[0]
    newest = prepared.column("test", 0) * encoding.std + encoding.mean
    assert sorted(np.sqrt(np.maximum(newest, 0)).round().astype(int).tolist()) == list(range(48, 60))
    assert [c.name for c in prepared.reply.encoding.columns] == ["x"]


def test_a_group_column_of_a_file_is_no_feature_and_keeps_its_rows_together(room):
    rows = [f"{i // 5},p{i // 5},{'ab'[i % 2]}" for i in range(100)]
    prepared = room.put(table("x,who,y", rows)).load(GROUPED)
    assert [c.name for c in prepared.reply.encoding.columns] == ["x"]
    held = [set(prepared.column(split, 0).tolist()) for split in SPLITS]
    assert sum(map(len, held)) == len(set.union(*held)) == 20
    assert prepared.reply.facts.duplicate_rows_across_splits == 0
    assert any("20 groups, 12 for training" in note for note in prepared.reply.facts.notes)


def test_texts_are_split_by_group_and_by_time_too(room):
    rows = [{"t": f"words of {i // 4} {'good' if i % 2 else 'bad'}", "y": "ab"[i % 2], "g": i // 4} for i in range(80)]
    room.put("\n".join(map(json.dumps, rows)), "data.jsonl")
    grouped = room.load(JsonlSource(text="t", target="y", length=9, group="g"))
    assert any("20 groups" in note for note in grouped.reply.facts.notes)
    timed = room.load(JsonlSource(text="t", target="y", length=9, time="g"))
    assert "19" not in timed.reply.encoding.vocabulary
    assert "0" in timed.reply.encoding.vocabulary


@pytest.mark.parametrize(
    ("cells", "source", "message"),
    [
        ([f"p{i % 2}" for i in range(40)], GROUPED, "2 different values"),
        ([*["p", "q"] * 19, "r", ""], GROUPED, "row 40"),
        (["2024-01-01"] * 40, TIMED, "1 different time"),
        ([*["2024-01-01", "2024-01-02"] * 19, "2024-01-03", "yesterday"], TIMED, "'yesterday'"),
        ([*["2024-01-01T00:00", "2024-01-02T00:00"] * 19, "2024-01-03T00:00Z", "2024"], TIMED, "zone"),
    ],
    ids=["two groups", "no group", "one time", "no time", "zones"],
)
def test_columns_that_rows_cannot_be_placed_by_are_refused(room, cells, source, message):
    cells = [cell if cell != "2024" else "2024-01-04T00:00" for cell in cells]
    name = source.group or source.time
    rows = [f"{i * i},{cell},{'ab'[i % 2]}" for i, cell in enumerate(cells)]
    refusal = room.put(table(f"x,{name},y", rows)).refusal(source)
    assert message in refusal.message


def test_a_column_to_split_by_that_is_not_there_is_told_with_those_there_are(room):
    refusal = room.put(table("x,whom,y", ["1,a,b"] * 40)).refusal(GROUPED)
    assert refusal.kind is RefusalKind.WRONG_COLUMNS
    assert "'whom'" in refusal.message


def test_a_class_that_no_training_row_has_is_refused_and_one_without_test_rows_is_noted(room):
    late = [f"{i * i},{i},{'new' if i > 55 else 'ab'[i % 2]}" for i in range(60)]
    refusal = room.put(table("x,when,y", late)).refusal(TIMED)
    assert "no training rows of 1 of 3 classes" in refusal.message
    assert "'new'" in refusal.message
    early = [f"{i * i},{i},{'old' if i < 4 else 'ab'[i % 2]}" for i in range(60)]
    notes = room.put(table("x,when,y", early)).load(TIMED).reply.facts.notes
    assert any("No test rows" in note and "'old'" in note for note in notes)
