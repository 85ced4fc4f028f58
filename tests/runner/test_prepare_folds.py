"""Folds are a partition of what is not for test, and what is fitted for a fold knows nothing of its rows."""

import json

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the prepare room's libraries are not installed")

from hypothesis import given
from hypothesis import strategies as st
from prepare_room import Prepared, Room, table
from sklearn.linear_model import LogisticRegression

from fumehood_runner.prepare.placement import Groups, OwnSplits, Times
from fumehood_runner.prepare.refusals import Refused
from fumehood_runner.prepare.split import folds, split
from fumehood_shared.messages import CsvSource, JsonlSource, RefusalKind

pytestmark = pytest.mark.runner

N = 600
RANDOM = np.random.RandomState(0)
LABELS = RANDOM.randint(0, 2, N)
HONEST = LABELS + RANDOM.normal(size=N)
"""Tells the label in about 7 of 10 rows."""
NOISE = RANDOM.randint(0, 2, N)


def rest_of(strata: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.setdiff1d(np.arange(len(strata)), split(strata, seed, 0.2, 0.2).test)


def fold_rows(labels: np.ndarray, count: int) -> tuple[np.ndarray, ...]:
    return folds(None, labels, rest_of(labels), 0, count)[0]


# ---- which rows ------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(3, 60), min_size=2, max_size=8), st.integers(0, 2**53), st.integers(2, 4))
def test_folds_are_a_partition_with_every_class_in_proportion(counts, seed, count):
    strata = np.random.RandomState(0).permutation(np.repeat(np.arange(len(counts)), counts))
    rest = rest_of(strata, seed)
    parts, _ = folds(None, strata, rest, seed, count)
    assert np.concatenate(parts).size == rest.size
    assert sorted(np.concatenate(parts)) == rest.tolist()
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    for stratum in range(len(counts)):
        held = [int((strata[part] == stratum).sum()) for part in parts]
        assert max(held) - min(held) <= 1


def test_the_folds_of_a_seed_are_fixed_for_all_platforms_and_versions():
    strata = np.arange(12) % 2
    parts, _ = folds(None, strata, np.arange(12), 7, 3)
    assert [part.tolist() for part in parts] == [[2, 4, 7, 9], [5, 8, 10, 11], [0, 1, 3, 6]]
    assert folds(None, strata, np.arange(12), 8, 3)[0][0].tolist() != parts[0].tolist()


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_groups_stay_together_and_no_fold_is_empty(seed, count):
    draw = np.random.RandomState(seed)
    groups = Groups("household", np.unique(draw.randint(0, 20, 90), return_inverse=True)[1])
    strata, rest = draw.randint(0, 2, 90), np.sort(draw.permutation(90)[:70])
    parts, notes = folds(groups, strata, rest, seed, count)
    assert sorted(np.concatenate(parts)) == rest.tolist()
    homes = [set(groups.codes[part]) for part in parts]
    assert all(homes)
    assert sum(map(len, homes)) == len(set().union(*homes))
    assert any("stay together" in note for note in notes)


def test_what_cannot_be_divided_is_refused_by_name():
    strata, rest = np.arange(20) % 2, np.arange(16)
    own = OwnSplits(np.repeat(np.array([0, 1, 2], np.int8), [12, 4, 4]))
    few = Groups("household", np.arange(20) % 3)
    refused = [
        (Times("day", np.arange(20)), RefusalKind.NO_FOLDS, "in the order of 'day'"),
        (own, RefusalKind.NO_FOLDS, "4 validation rows of its own"),
        (few, RefusalKind.TOO_FEW_ROWS, "3 groups of 'household' that are not for test cannot make 5 folds"),
    ]
    for placement, kind, words in refused:
        with pytest.raises(Refused, match=words) as error:
            folds(placement, strata, rest, 0, 5)
        assert error.value.refusal.kind is kind
    with pytest.raises(Refused, match="4 rows that are not for test cannot make 5 folds"):
        folds(None, strata, rest[:4], 0, 5)


def test_test_rows_that_a_data_set_brings_stay_the_test():
    own = OwnSplits(np.repeat(np.array([0, 2], np.int8), [12, 8]))
    parts, _ = folds(own, np.arange(20) % 2, np.arange(12), 0, 3)
    assert sorted(np.concatenate(parts)) == list(range(12))


# ---- what the room hands out -----------------------------------------------------------------------------------------


def test_the_test_rows_are_those_of_holdout_and_have_its_bytes(tmp_path):
    held, folded = (Room(tmp_path / name).builtin("wine", folds=count) for name, count in (("h", None), ("f", 5)))
    assert held.array("test_inputs").tobytes() == folded.array("test_inputs").tobytes()
    assert held.array("test_targets").tolist() == folded.array("test_targets").tolist()
    for fold in range(1, 6):
        assert folded.array(f"fold{fold}_test_targets").tolist() == held.array("test_targets").tolist()


def test_every_other_row_is_validated_once_and_trained_on_by_all_other_folds(tmp_path):
    held, folded = (Room(tmp_path / name).builtin("diabetes", folds=count) for name, count in (("h", None), ("f", 4)))
    others = np.concatenate([held.array("train_targets"), held.array("validation_targets")])
    assert np.sort(folded.array("validation_targets"), axis=0).tolist() == np.sort(others, axis=0).tolist()
    assert folded.array("train_targets").tolist() == folded.array("validation_targets").tolist()
    parts = [folded.array(f"fold{fold}_validation_targets") for fold in range(1, 5)]
    assert np.concatenate(parts).tolist() == folded.array("validation_targets").tolist()
    for fold in range(4):
        rest = np.concatenate(parts[:fold] + parts[fold + 1 :])
        trained = folded.array(f"fold{fold + 1}_train_targets")
        assert np.sort(trained, axis=0).tolist() == np.sort(rest, axis=0).tolist()
        assert folded.reply.folds[fold].target.mean == pytest.approx((float(trained.mean()),), rel=1e-6)


def test_each_fold_is_standardised_by_its_own_training_rows(tmp_path):
    folded = Room(tmp_path).builtin("wine", folds=3)
    assert len({fold.encoding.columns[0].mean for fold in folded.reply.folds}) == 3
    for fold in (1, 2, 3):
        trained = folded.array(f"fold{fold}_train_inputs")
        assert np.abs(trained.mean(axis=0)).max() < 1e-5
        assert np.abs(folded.array(f"fold{fold}_validation_inputs").mean(axis=0)).max() > 0.02


def accuracy(prepared: Prepared, fold: int) -> float:
    """On a fold, of a model fitted on the others; tokens are counted first."""
    size = prepared.reply.vocab_size

    def inputs(part: str) -> np.ndarray:
        found = prepared.array(f"fold{fold}_{part}_inputs")
        return found if size is None else np.stack([np.bincount(row, minlength=size)[2:] for row in found])

    model = LogisticRegression(C=0.1).fit(inputs("train"), prepared.array(f"fold{fold}_train_targets"))
    return float(model.score(inputs("validation"), prepared.array(f"fold{fold}_validation_targets")))


def leaking(fold: int) -> tuple[np.ndarray, np.ndarray]:
    """The label itself, as a number and as a word, in one fold's rows only; elsewhere chance, or one word."""
    inside = np.isin(np.arange(N), fold_rows(LABELS, 3)[fold - 1])
    return np.where(inside, LABELS, NOISE), np.where(inside, np.where(LABELS == 1, "leakyes", "leakno"), "none")


@pytest.mark.parametrize("fold", [1, 2, 3])
def test_a_column_that_is_the_label_in_the_held_out_fold_only_is_of_no_use(tmp_path, fold):
    honest = [f"{x},{'ab'[y]}" for x, y in zip(HONEST, LABELS, strict=True)]
    more = zip(honest, *leaking(fold), strict=True)
    plain = Room(tmp_path / "plain").put(table("x,y", honest)).load(CsvSource(target="y"), folds=3)
    leaky = Room(tmp_path / "leaky").put(table("x,y,leak,word", [f"{row},{n},{w}" for row, n, w in more]))
    found = leaky.load(CsvSource(target="y"), folds=3)
    assert 0.6 < accuracy(plain, fold) < 0.8
    assert accuracy(found, fold) <= accuracy(plain, fold) + 0.04
    words = [{v for c in one.encoding.columns if c.kind == "category" for v in c.values} for one in found.reply.folds]
    assert words.pop(fold - 1).isdisjoint({"leakyes", "leakno"})
    assert all({"leakyes", "leakno"} <= others for others in words)


@pytest.mark.parametrize("fold", [1, 3])
def test_a_word_that_tells_the_label_in_the_held_out_fold_only_is_of_no_use(tmp_path, fold):
    honest = ["high" if x > 0.5 else "low" for x in HONEST]
    words = [f" {word} {word}" for word in leaking(fold)[1]]
    found = []
    for name, more in (("plain", [""] * N), ("leaky", words)):
        rows = [{"t": h + m, "y": "ab"[y]} for h, m, y in zip(honest, more, LABELS, strict=True)]
        room = Room(tmp_path / name).put("\n".join(map(json.dumps, rows)), "data.jsonl")
        found.append(room.load(JsonlSource(text="t", target="y", length=20), folds=3))
    assert 0.6 < accuracy(found[0], fold) < 0.8
    assert accuracy(found[1], fold) <= accuracy(found[0], fold) + 0.04
    assert "leakyes" not in found[1].reply.folds[fold - 1].encoding.vocabulary


# ---- one shape for all folds -----------------------------------------------------------------------------------------


def test_folds_with_other_columns_have_rows_of_one_shape_and_so_have_new_rows(tmp_path):
    more = zip(HONEST, LABELS, leaking(2)[1], strict=True)
    room = Room(tmp_path).put(table("x,y,word", [f"{x},{'ab'[y]},{word}" for x, y, word in more]))
    prepared = room.load(CsvSource(target="y"), folds=3)
    zeros = [fold.encoding.zeros for fold in prepared.reply.folds]
    assert sorted(zeros) == [0, 0, 3]  # words that tell nothing are a constant column there, and left out
    assert prepared.reply.input_shape == (4,)
    for number, fold in enumerate(prepared.reply.folds, start=1):
        array = prepared.array(f"fold{number}_validation_inputs")
        assert array.shape[1] == 4
        assert (array[:, 4 - fold.encoding.zeros :] == 0).all()
        new = room.new_rows(CsvSource(target="y"), fold.encoding)
        assert new.shape == (N, 4)
        assert np.isin(array[:, 0], new[:, 0]).all()


def test_folds_of_texts_share_length_and_size_of_the_vocabulary(tmp_path):
    inside = np.isin(np.arange(N), fold_rows(LABELS, 3)[0])
    texts = ["long " * 5 + "rare rarer" if held else "short" for held in inside]
    rows = [{"t": text, "y": "ab"[y]} for text, y in zip(texts, LABELS, strict=True)]
    room = Room(tmp_path).put("\n".join(map(json.dumps, rows)), "data.jsonl")
    prepared = room.load(JsonlSource(text="t", target="y", length=20), folds=3)
    assert [(fold.encoding.length, fold.encoding.zeros) for fold in prepared.reply.folds] == [(1, 6), (7, 0), (7, 0)]
    assert (prepared.reply.input_shape, prepared.reply.vocab_size) == ((7,), 6)
    held_out = prepared.array("fold1_validation_inputs")
    assert held_out.shape[1] == 7
    assert (held_out[:, 0] == 1).all()
    assert not held_out[:, 1:].any()


# ---- what is told, and what is refused -------------------------------------------------------------------------------


def test_a_class_that_a_fold_would_have_to_learn_from_no_row_is_refused(tmp_path):
    rows = [f"{k},{'rare' if k < 12 else 'ab'[k % 2]},{'r' if k < 12 else k}" for k in range(120)]
    refusal = Room(tmp_path).put(table("x,y,g", rows)).refusal(CsvSource(target="y", group="g"), folds=3)
    assert refusal.kind is RefusalKind.CLASS_MISSING
    assert "'rare'" in refusal.message


def test_equal_rows_of_two_folds_are_counted_and_told(tmp_path):
    rows = [f"{k // 2},{'ab'[k // 2 % 2]}" for k in range(200)]
    facts = Room(tmp_path).put(table("x,y", rows)).load(CsvSource(target="y"), folds=4).reply.facts
    assert facts.duplicate_rows_across_splits > 50
    assert any("another fold" in note and "reward memory" in note for note in facts.notes)
    assert any(note.startswith("4 folds of 40 rows") for note in facts.notes)


def test_a_note_about_one_fold_names_it(tmp_path):
    inside = np.isin(np.arange(N), fold_rows(LABELS, 3)[1])
    rows = [f"{x},{'ab'[y]},{held:d}" for x, y, held in zip(HONEST, LABELS, inside, strict=True)]
    notes = Room(tmp_path).put(table("x,y,held", rows)).load(CsvSource(target="y"), folds=3).reply.facts.notes
    assert [note for note in notes if "constant" in note] == [
        "Fold 2: Dropped, as it is constant over the training rows: 'held'."
    ]


@pytest.mark.parametrize("count", [1, 11])
def test_fewer_than_two_and_more_than_ten_folds_cannot_be_asked_for(tmp_path, count):
    with pytest.raises(ValueError, match="folds"):
        Room(tmp_path).builtin("wine", folds=count)
