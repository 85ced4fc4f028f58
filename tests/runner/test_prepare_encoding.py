"""Encodings are fitted on training rows only, and new rows are encoded the same way."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the prepare room's libraries are not installed")

from prepare_room import SPLITS, Room, table

from fumehood_runner.prepare.split import split
from fumehood_shared.messages import EncodeReply, Refusal, RefusalKind

pytestmark = pytest.mark.runner

N = 60
STRATA = np.arange(N) % 2
SPLIT = split(STRATA, 0, 0.2, 0.2)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def csv(cells: list[str], name: str = "x") -> str:
    """One column of N cells and a fixed second one; the target alternates, so SPLIT is the split of the file."""
    rows = [f'"{cell}",{i * i % 17},{"ab"[i % 2]}' for i, cell in enumerate(cells)]
    return table(f"{name},other,y", rows)


def column(room: Room, cells: list[str]):
    return next((c for c in room.put(csv(cells)).prepare().reply.encoding.columns if c.name == "x"), None)


def changed(cells: list[str], rows: np.ndarray, value: str) -> list[str]:
    return [value if i in set(rows.tolist()) else cell for i, cell in enumerate(cells)]


@pytest.mark.parametrize("value", ["1e9", "text", "", "inf", "another"])
@pytest.mark.parametrize("kind", ["number", "category"])
@pytest.mark.parametrize("part", ["validation", "test"])
def test_no_cell_of_validation_or_test_changes_the_encoding(room, value, kind, part):
    cells = [str(i % 7) if kind == "number" else "rgb"[i % 3] for i in range(N)]
    before = room.put(csv(cells)).prepare().reply.encoding
    after = room.put(csv(changed(cells, SPLIT.rows(part), value))).prepare().reply.encoding
    assert after == before


def test_a_cell_of_a_training_row_does_change_the_encoding(room):
    cells = [str(i % 7) for i in range(N)]
    assert column(room, cells) != column(room, changed(cells, SPLIT.train[:1], "1000"))


def test_numbers_are_standardised_over_the_training_rows(room):
    prepared = room.put(csv([str(i % 7) for i in range(N)])).prepare()
    train = prepared.column("train", 0)
    assert train.mean() == pytest.approx(0, abs=1e-6)
    assert train.std() == pytest.approx(1, abs=1e-6)
    fitted = prepared.reply.encoding.columns[0]
    raw = np.array([i % 7 for i in SPLIT.test])
    assert prepared.column("test", 0) == pytest.approx((raw - fitted.mean) / fitted.std, abs=1e-6)


def test_a_category_seen_only_in_test_is_all_zeros(room):
    cells = changed(["rgb"[i % 3] for i in range(N)], SPLIT.test[:2], "violet")
    prepared = room.put(csv(cells)).prepare()
    assert prepared.reply.encoding.columns[0].values == ("b", "g", "r")
    hot = prepared.array("test_inputs")[:, :3]
    assert hot[:2].sum() == 0
    assert (hot[2:].sum(axis=1) == 1).all()
    assert any("not among the encoded ones" in n for n in prepared.reply.facts.notes)


def test_one_hot_columns_are_zeros_and_ones_in_sorted_order(room):
    prepared = room.put(csv(["rgb"[i % 3] for i in range(N)])).prepare()
    expected = [["bgr".index("rgb"[i % 3]) == k for k in range(3)] for i in SPLIT.train]
    assert np.array_equal(prepared.array("train_inputs")[:, :3], np.array(expected, dtype=np.float32))


@pytest.mark.parametrize("token", ["", "NA", "NaN", "null", "?", " nan ", "N/A"])
def test_missing_numbers_get_the_training_median_and_an_indicator(room, token):
    cells = changed([str(i % 7) for i in range(N)], SPLIT.train[:5], token)
    prepared = room.put(csv(cells)).prepare()
    fitted = prepared.reply.encoding.columns[0]
    assert fitted.indicator
    assert fitted.fill == np.median([i % 7 for i in SPLIT.train[5:]])
    assert prepared.column("train", 1).tolist() == [1.0] * 5 + [0.0] * (len(SPLIT.train) - 5)
    assert prepared.column("train", 0)[:5] == pytest.approx((fitted.fill - fitted.mean) / fitted.std)
    assert prepared.reply.facts.missing_cells == {"x": 5}


def test_numbers_missing_in_test_only_are_filled_without_an_indicator(room):
    prepared = room.put(csv(changed([str(i % 7) for i in range(N)], SPLIT.test[:3], ""))).prepare()
    fitted = prepared.reply.encoding.columns[0]
    assert not fitted.indicator
    assert prepared.reply.input_shape == (2,)
    assert prepared.column("test", 0)[:3] == pytest.approx((fitted.fill - fitted.mean) / fitted.std)


def test_missing_categories_are_all_zeros(room):
    prepared = room.put(csv(changed(["rgb"[i % 3] for i in range(N)], SPLIT.train[:4], ""))).prepare()
    hot = prepared.array("train_inputs")[:, :3]
    assert hot[:4].sum() == 0
    assert hot[4:].sum() == len(hot) - 4


def test_infinite_numbers_count_as_missing_with_a_note(room):
    prepared = room.put(csv(changed([str(i % 7) for i in range(N)], SPLIT.train[:2], "-inf"))).prepare()
    assert prepared.reply.facts.missing_cells == {"x": 2}
    assert any("Infinite values" in n for n in prepared.reply.facts.notes)


def test_a_column_constant_over_training_rows_is_dropped_whatever_the_others_hold(room):
    for constant in ("0.1", "same"):
        cells = changed([constant] * N, SPLIT.test, "7")
        prepared = room.put(csv(cells)).prepare()
        assert [c.name for c in prepared.reply.encoding.columns] == ["other"]
        assert any("constant over the training rows: 'x'" in n for n in prepared.reply.facts.notes)


def test_a_column_that_is_one_value_or_missing_keeps_its_information(room):
    cells = ["1" if i % 3 else "" for i in range(N)]
    prepared = room.put(csv(cells)).prepare()
    assert prepared.column("train", 1).tolist() == [0.0 if i % 3 else 1.0 for i in SPLIT.train]
    assert (prepared.column("train", 0) == 0).all()


def test_ids_dates_and_free_text_are_dropped_with_a_note(room):
    prepared = room.put(csv([f"2024-01-01 00:00:{i:02d}" for i in range(N)])).prepare()
    assert [c.name for c in prepared.reply.encoding.columns] == ["other"]
    assert any("nearly every value is different" in n for n in prepared.reply.facts.notes)


def test_numbers_that_count_the_rows_are_dropped(room):
    assert column(room, [str(i + 1) for i in range(N)]) is None


def test_only_the_hundred_most_frequent_training_values_are_kept(room):
    cells = [f"v{i % 150:03d}" for i in range(1500)] + [f"v{i:03d}" for i in range(140, 150)] * 30
    rows = [f'"{c}",{"ab"[(i // 7) % 2]}' for i, c in enumerate(cells)]
    reply = room.put(table("x,y", rows)).prepare().reply
    values = reply.encoding.columns[0].values
    assert len(values) == 100
    assert list(values) == sorted(values)
    assert {f"v{i:03d}" for i in range(140, 150)} <= set(values)
    assert any("100 most frequent" in n for n in reply.facts.notes)


def test_numbers_that_cannot_be_standardised_are_dropped(room):
    assert column(room, ["1e308" if i % 3 else "-1e308" for i in range(N)]) is None


def test_an_outlier_in_test_stays_finite(room):
    prepared = room.put(csv(changed([str(i % 7) for i in range(N)], SPLIT.test[:1], "1e308"))).prepare()
    assert np.isfinite(prepared.array("test_inputs")).all()


def test_mostly_numeric_text_is_noted_with_an_example(room):
    cells = changed([str(i % 7) for i in range(N)], SPLIT.train[:1], "unknown")
    notes = room.put(csv(cells)).prepare().reply.facts.notes
    assert any("Read as text" in n and "'unknown'" in n for n in notes)


# ---- new rows ------------------------------------------------------------------------------------------------------


def mixed(rows, extra: bool = False) -> str:
    lines = []
    for i in rows:
        cells = [str(i % 7) if i % 5 else "", "rgb"[i % 3], "12x"[i % 3], "ab"[i % 2]]
        lines.append(",".join([*reversed(cells), "spare"] if extra else cells))
    return table("y,code,colour,size,zz" if extra else "size,colour,code,y", lines)


def test_training_rows_encoded_again_are_the_training_arrays(room):
    prepared = room.put(mixed(range(N))).prepare()
    expected = {s: prepared.array(f"{s}_inputs") for s in SPLITS}
    encoded = room.encoded(prepared.reply.encoding, target="y")
    for name in SPLITS:
        assert np.array_equal(encoded[SPLIT.rows(name)], expected[name])


def test_the_order_of_columns_is_free_and_extra_ones_are_noted(room):
    encoding = room.put(mixed(range(N))).prepare().reply.encoding
    expected = room.encoded(encoding, target="y")
    room.put(mixed(range(N), extra=True))
    assert np.array_equal(room.encoded(encoding, target="y"), expected)
    reply = room.encode(encoding, target="y")
    assert [n for n in reply.facts.notes if "does not use" in n] == ["Columns that the model does not use: 'zz'."]


def test_a_category_column_that_looks_numeric_in_the_new_file_stays_one(room):
    encoding = room.put(mixed(range(N))).prepare().reply.encoding
    numeric = [i for i in range(N) if i % 3 != 2]
    expected = room.encoded(encoding)[numeric]
    room.put(mixed(numeric))
    assert np.array_equal(room.encoded(encoding), expected)


def test_the_target_may_be_absent_and_one_row_is_enough(room):
    encoding = room.put(mixed(range(N))).prepare().reply.encoding
    expected = room.encoded(encoding)[3:4]
    room.put("size,colour,code\n3,r,1\n")
    assert np.array_equal(room.encoded(encoding), expected)


def test_missing_columns_are_refused_by_name(room):
    encoding = room.put(mixed(range(N))).prepare().reply.encoding
    refusal = room.put("size,y\n3,a\n").encode(encoding)
    assert isinstance(refusal, Refusal)
    assert refusal.kind is RefusalKind.WRONG_COLUMNS
    assert "2 of the 3 columns" in refusal.message
    assert "'colour', 'code'" in refusal.message


def test_new_rows_with_words_for_numbers_are_encoded_as_missing_with_a_note(room):
    encoding = room.put(mixed(range(N))).prepare().reply.encoding
    reply = room.put("size,colour,code\nhuge,r,1\n,r,1\n").encode(encoding)
    assert isinstance(reply, EncodeReply)
    assert any("not finite numbers" in n and "'size'" in n for n in reply.facts.notes)
    encoded = room.encoded(encoding)
    assert np.array_equal(encoded[0], encoded[1])


def test_a_file_of_new_rows_without_rows_is_refused(room):
    encoding = room.put(mixed(range(N))).prepare().reply.encoding
    assert room.put("size,colour,code\n").encode(encoding).kind is RefusalKind.TOO_FEW_ROWS
