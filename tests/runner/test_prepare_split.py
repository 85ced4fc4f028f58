"""The split is stratified, complete, and the same on every machine."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the prepare room's libraries are not installed")

from hypothesis import given
from hypothesis import strategies as st
from prepare_room import SPLITS, Room, table

from fumehood_runner.prepare.split import split, subset
from fumehood_runner.prepare.target import quantile_bins

pytestmark = pytest.mark.runner

COUNTS = st.lists(st.integers(3, 60), min_size=1, max_size=12)


@given(COUNTS, st.integers(0, 2**53), st.floats(0.05, 0.45), st.floats(0.05, 0.45))
def test_every_row_is_in_one_split_and_every_class_in_each(counts, seed, validation, test):
    strata = np.random.RandomState(0).permutation(np.repeat(np.arange(len(counts)), counts))
    parts = [split(strata, seed, validation, test).rows(name) for name in SPLITS]
    assert sorted(np.concatenate(parts)) == list(range(len(strata)))
    for part in parts:
        assert set(strata[part]) == set(range(len(counts)))


@given(st.lists(st.integers(40, 90), min_size=1, max_size=8), st.integers(0, 2**32))
def test_sizes_follow_the_fractions_of_all_rows_and_of_each_class(counts, seed):
    strata = np.repeat(np.arange(len(counts)), counts)
    parts = split(strata, seed, 0.2, 0.25)
    assert len(parts.test) == int(len(strata) * 0.25 + 0.5)
    assert abs(len(parts.validation) - len(strata) * 0.2) <= 0.5
    for stratum, count in enumerate(counts):
        assert abs((strata[parts.test] == stratum).sum() - count * 0.25) <= 1


def test_the_split_of_a_seed_is_fixed_for_all_platforms_and_versions():
    strata = np.arange(30) % 3
    parts = split(strata, 7, 0.2, 0.2)
    assert parts.test.tolist() == [3, 4, 7, 26, 27, 29]
    assert parts.validation.tolist() == [0, 11, 14, 16, 21, 28]


def test_another_seed_gives_another_split():
    strata = np.zeros(200, dtype=np.int64)
    assert not np.array_equal(split(strata, 1, 0.2, 0.2).test, split(strata, 2, 0.2, 0.2).test)


def test_the_split_does_not_follow_the_order_of_the_file():
    test = split(np.zeros(1000, dtype=np.int64), 3, 0.2, 0.2).test
    assert abs(test.mean() - 500) < 60
    assert not np.array_equal(test, np.arange(test[0], test[0] + len(test)))


@given(COUNTS, st.integers(0, 100))
def test_a_subset_has_the_size_asked_for_and_keeps_every_class(counts, seed):
    strata = np.repeat(np.arange(len(counts)), counts)
    size = (len(strata) + 3 * len(counts)) // 2
    chosen = subset(strata, seed, size)
    assert len(chosen) == len(set(chosen)) == size
    assert np.bincount(strata[chosen], minlength=len(counts)).min() >= 3


def test_regression_bins_are_of_equal_size_and_follow_the_values():
    values = np.random.RandomState(0).exponential(size=103)
    bins = quantile_bins(values)
    assert np.bincount(bins).min() >= 10
    assert all(values[bins == i].max() <= values[bins == i + 1].min() for i in range(9))


def test_regression_splits_cover_the_range_of_the_target(tmp_path: Path):
    rows = [f"{i % 7},{i / 10 + 0.05}" for i in range(100)]
    prepared = Room(tmp_path).put(table("x,y", rows)).prepare()
    for name in SPLITS:
        targets = prepared.array(f"{name}_targets")
        assert targets.min() < 1
        assert targets.max() > 9


def test_a_prepared_subset_is_split_and_counted_as_if_it_were_all(tmp_path: Path):
    prepared = Room(tmp_path).builtin("digits", subset=200)
    assert prepared.reply.facts.rows == 200
    assert sum(len(prepared.array(f"{s}_targets")) for s in SPLITS) == 200
    assert min(prepared.reply.facts.class_counts.values()) >= 15


def test_a_subset_larger_than_the_data_is_all_of_it(tmp_path: Path):
    assert Room(tmp_path).builtin("iris", subset=1000).reply.facts.rows == 150


def test_a_subset_too_small_for_the_classes_is_refused(tmp_path: Path):
    rows = [f"{i},{'abcde'[i % 5]}" for i in range(0, 300, 7)] * 3
    assert "cannot hold three rows" in Room(tmp_path).put(table("x,y", rows)).refused(subset=10).message


def test_fractions_that_leave_no_training_rows_are_refused(tmp_path: Path):
    rows = [f"{i * i % 17},{'ab'[i % 2]}" for i in range(40)]
    refusal = Room(tmp_path).put(table("x,y", rows)).refused(validation_fraction=0.5, test_fraction=0.5)
    assert "leave no training rows" in refusal.message


def test_rows_repeated_across_splits_are_counted_and_noted(tmp_path: Path):
    rows = [f"{1 + i % 2},{'ab'[i % 2]}" for i in range(40)]
    facts = Room(tmp_path).put(table("x,y", rows)).prepare().reply.facts
    assert facts.duplicate_rows_across_splits == 16
    assert any("same inputs" in note for note in facts.notes)


def test_rows_that_differ_are_not_counted_as_repeated(tmp_path: Path):
    rows = [f"{i * i},{'ab'[i % 2]}" for i in range(40)]
    assert Room(tmp_path).put(table("x,y", rows)).prepare().reply.facts.duplicate_rows_across_splits == 0
