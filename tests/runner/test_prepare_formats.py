"""Parquet files, NumPy arrays and lines of JSON: what they become, and what is refused in which words."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the prepare room's libraries are not installed")

import pyarrow as pa
import pyarrow.parquet as pq
from prepare_room import Room, table

from fakes import image_files
from fumehood.data import folder
from fumehood_runner.prepare.split import split
from fumehood_shared import paths
from fumehood_shared.messages import (
    CsvSource,
    ImageFolderSource,
    InputKind,
    JsonlSource,
    NpzSource,
    ParquetSource,
    RefusalKind,
    Source,
    Task,
    TokenEncoding,
)

pytestmark = pytest.mark.runner

N = 60
NUMBERS = [i * i % 17 + 0.5 for i in range(N)]
COLOURS = ["red", "green", "blue"] * 20
LABELS = ["yes" if i % 3 else "no" for i in range(N)]
TEXTS = [f"A {'good' if i % 3 else 'bad'} film, number {i % 7}!" for i in range(N)]

JSONL = JsonlSource(text="text", target="label", length=256)
PARQUET = ParquetSource(target="y")


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def parquet(room: Room, **columns: Any) -> Room:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return room.put(sink.getvalue(), "data.parquet")


def npz(room: Room, **arrays: Any) -> Room:
    sink = io.BytesIO()
    np.savez_compressed(sink, **arrays)
    return room.put(sink.getvalue(), "data.npz")


def jsonl(room: Room, *rows: Any) -> Room:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    return room.put("\n".join(lines) + "\n", "data.jsonl")


def reviews(room: Room, labels: list[Any] = LABELS) -> Room:
    return jsonl(room, *({"text": t, "label": y} for t, y in zip(TEXTS, labels, strict=True)))


def words(encoding: Any) -> TokenEncoding:
    assert isinstance(encoding, TokenEncoding)
    return encoding


# ---- what they become ----------------------------------------------------------------------------------------------


def test_a_parquet_file_becomes_what_the_same_csv_file_becomes(tmp_path):
    rows = [f"{a},{b},{y}" for a, b, y in zip(NUMBERS, COLOURS, LABELS, strict=True)]
    as_csv = Room(tmp_path / "csv").put(table("a,b,y", rows)).load(CsvSource(target="y"))
    as_parquet = parquet(Room(tmp_path / "parquet"), a=NUMBERS, b=COLOURS, y=LABELS).load(PARQUET)
    assert as_parquet.reply == as_csv.reply
    for name in as_csv.reply.arrays:
        assert np.array_equal(as_parquet.array(name), as_csv.array(name))


def test_parquet_columns_that_are_no_features_are_named(room):
    lists = [[i, i] for i in range(N)]
    prepared = parquet(room, a=NUMBERS, nested=lists, __index_level_0__=NUMBERS, y=LABELS).load(PARQUET)
    assert [column.name for column in prepared.reply.encoding.columns] == ["a"]
    assert any("'nested'" in note for note in prepared.reply.facts.notes)
    assert any("'__index_level_0__'" in note for note in prepared.reply.facts.notes)


def test_new_parquet_rows_are_encoded_as_the_old_ones_were(room):
    encoding = parquet(room, a=NUMBERS, b=COLOURS, y=LABELS).load(PARQUET).reply.encoding
    found = parquet(room, b=["blue", "violet"], a=[1, 2]).new_rows(ParquetSource(target=""), encoding)
    assert found.shape == (2, 4)
    assert found[:, 1:].tolist() == [[1, 0, 0], [0, 0, 0]]


def test_arrays_of_two_axes_are_a_table_and_of_three_or_four_are_images(room):
    pixels = np.random.RandomState(0).rand(N, 6, 5)
    flat = npz(room, x=pixels.reshape(N, -1), y=np.array(LABELS)).load(NpzSource())
    grey = npz(room, inputs=pixels, targets=np.arange(N) % 3).load(NpzSource())
    colour = npz(room, X=np.stack([pixels] * 3, axis=3), y=np.arange(N) % 3).load(NpzSource())
    assert (flat.reply.input_kind, flat.reply.input_shape) == (InputKind.TABULAR, (30,))
    assert (grey.reply.input_kind, grey.reply.input_shape) == (InputKind.IMAGE, (1, 6, 5))
    assert colour.reply.input_shape == (3, 6, 5)
    assert flat.reply.target.classes == ("no", "yes")


def test_arrays_with_test_rows_of_their_own_keep_them_for_the_sealed_test(room):
    inputs = np.arange(2 * N, dtype=np.float64).reshape(-1, 2) ** 2
    answers = np.array([i % 2 for i in range(N)])
    prepared = npz(room, x_train=inputs[:45], y_train=answers[:45], x_test=inputs[45:], y_test=answers[45:]).load(
        NpzSource()
    )
    assert prepared.array("test_targets").tolist() == answers[45:].tolist()
    assert prepared.array("train_inputs").shape == (36, 2)
    assert any("own" in note for note in prepared.reply.facts.notes)


def test_a_subset_of_arrays_keeps_the_share_of_their_own_test_rows(room):
    inputs, answers = np.random.RandomState(0).rand(N, 2), np.arange(N) % 2
    arrays = {"x_train": inputs[: N // 2], "y_train": answers[: N // 2]}
    arrays |= {"x_test": inputs[N // 2 :], "y_test": answers[N // 2 :]}
    prepared = npz(room, **arrays).load(NpzSource(), subset=20)
    assert [len(prepared.array(f"{split}_targets")) for split in ("train", "validation", "test")] == [8, 2, 10]


def test_images_do_not_fit_a_model_of_texts_or_tables(room):
    image_files.write_folder(room.root / "new", {"1.png": image_files.encoded(np.zeros((8, 8), np.uint8))})
    encodings = {
        "texts": reviews(room).load(JSONL).reply.encoding,
        "a table": npz(room, x=np.random.rand(N, 4), y=np.arange(N) % 2).load(NpzSource()).reply.encoding,
    }
    with folder.pack(room.root / "new", None, classes_needed=False).opened() as (_, pieces):
        room.put_files({paths.IMAGES: b"".join(pieces)})
    for fitted, encoding in encodings.items():
        wrong = room.new_rows_refusal(ImageFolderSource(), encoding)
        assert (wrong.kind, fitted in wrong.message) == (RefusalKind.WRONG_COLUMNS, True)


def test_new_rows_in_an_array_need_no_targets(room):
    encoding = npz(room, x=np.random.rand(N, 4), y=np.arange(N) % 2).load(NpzSource()).reply.encoding
    assert npz(room, anything=np.zeros((3, 4))).new_rows(NpzSource(), encoding).shape == (3, 4)
    wrong = npz(room, x=np.zeros((3, 2))).new_rows_refusal(NpzSource(), encoding)
    assert wrong.kind is RefusalKind.WRONG_COLUMNS


def test_texts_become_tokens_by_the_words_of_training_texts(room):
    prepared = reviews(room).load(JSONL)
    encoding, inputs = words(prepared.reply.encoding), prepared.array("train_inputs")
    assert {"good", "bad", "film", ",", "!"} <= set(encoding.vocabulary)
    assert prepared.reply.vocab_size == len(encoding.vocabulary) + 2
    assert inputs.dtype == np.dtype("<i8")
    assert inputs.max() < encoding.vocab_size
    assert prepared.reply.input_shape == (encoding.length,) == (7,)


def test_new_texts_are_read_with_the_old_words(room):
    encoding = words(reviews(room).load(JSONL).reply.encoding)
    source = JsonlSource(text="", target="", length=256)
    found = jsonl(room, {"text": "GOOD zebra"}, {"text": ""}, {"text": "film " * 99}).new_rows(source, encoding)
    good, film = (encoding.vocabulary.index(word) + 2 for word in ("good", "film"))
    assert found.tolist() == [[good, 1, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0], [film] * 7]


@pytest.mark.parametrize("part", ["validation", "test"])
def test_words_of_validation_and_test_texts_change_no_encoding(room, part):
    before = reviews(room).load(JSONL).reply
    held_out = split(np.array([y == "yes" for y in LABELS], dtype=np.int64), 0, 0.2, 0.2).rows(part)
    told = [f"{t} secret secret and more" if i in held_out else t for i, t in enumerate(TEXTS)]
    after = jsonl(room, *({"text": t, "label": y} for t, y in zip(told, LABELS, strict=True))).load(JSONL).reply
    assert after.encoding == before.encoding
    assert any(f"{len(held_out)} of {N} texts are longer" in note for note in after.facts.notes)


def test_a_text_longer_than_the_limit_is_cut_counted_and_noted(room):
    prepared = reviews(room).load(JsonlSource(text="text", target="label", length=3))
    assert prepared.reply.input_shape == (3,)
    assert f"{N} of {N} texts are longer than 3 words and were cut there." in prepared.reply.facts.notes


def test_numbers_are_classes_or_a_quantity_as_the_task_says(room):
    source = JsonlSource(text="text", target="label", length=256, task=Task.REGRESSION)
    reply = reviews(room, [i % 5 for i in range(N)]).load(source).reply
    assert (reply.task, reply.num_outputs) == (Task.REGRESSION, 1)
    assert reviews(room, [i % 5 for i in range(N)]).load(JSONL).reply.num_outputs == 5


@pytest.mark.parametrize(
    "prepare",
    [
        lambda room: parquet(room, a=[1.0, 2.0, 4.0] * 20, y=LABELS).load(PARQUET),
        lambda room: npz(room, x=np.array([[1.0], [2.0], [4.0]] * 20), y=np.array(LABELS)).load(NpzSource()),
        lambda room: jsonl(room, *({"text": "the same words", "label": y} for y in LABELS)).load(JSONL),
    ],
    ids=["parquet", "npz", "jsonl"],
)
def test_rows_of_several_splits_with_equal_inputs_are_counted(room, prepare):
    facts = prepare(room).reply.facts
    assert facts.duplicate_rows_across_splits == 24
    assert any("reward memory" in note for note in facts.notes)


def test_classes_of_very_different_size_are_remarked_upon(room):
    labels = ["rare"] * 5 + ["common"] * 55
    facts = reviews(room, labels).load(JSONL).reply.facts
    assert any("imbalanced: 55 rows of 'common' and 5 of 'rare'" in note and "91.7%" in note for note in facts.notes)
    assert not any("imbalanced" in note for note in reviews(room).load(JSONL).reply.facts.notes)


def test_a_subset_keeps_every_class_in_its_proportion(room):
    reply = reviews(room).load(JSONL, subset=30).reply
    assert reply.facts.class_counts == {"no": 10, "yes": 20}
    assert any("30 of 60 rows" in note for note in reply.facts.notes)
    assert any("all are used" in note for note in reviews(room).load(JSONL, subset=1000).reply.facts.notes)


# ---- what is refused, for every format -----------------------------------------------------------------------------


def by_parquet(room: Room, targets: list[Any]) -> tuple[Room, Source]:
    return parquet(room, a=[float(i * i % 17) for i in range(len(targets))], y=targets), PARQUET


def by_npz(room: Room, targets: list[Any]) -> tuple[Room, Source]:
    numbers = isinstance(next(t for t in targets if t is not None), float)
    array = np.array([float("nan") if t is None else t for t in targets] if numbers else [t or "" for t in targets])
    return npz(room, x=np.arange(len(targets))[:, None] ** 2 % 17, y=array), NpzSource()


def by_jsonl(room: Room, targets: list[Any]) -> tuple[Room, Source]:
    return jsonl(room, *({"text": f"some words {i % 5}", "label": t} for i, t in enumerate(targets))), JSONL


FORMATS = pytest.mark.parametrize("given", [by_parquet, by_npz, by_jsonl])


@FORMATS
@pytest.mark.parametrize(
    ("targets", "kind", "message"),
    [
        (["a"] * 40, RefusalKind.ONE_CLASS, "'a'"),
        ([f"class {i}" for i in range(40)], RefusalKind.TOO_FEW_ROWS, "40 of 40 classes"),
        (["a"] * 20 + ["b"] * 19 + ["c"], RefusalKind.TOO_FEW_ROWS, "'c'"),
        ([1.5] * 40, RefusalKind.BAD_TARGET, "nothing to predict"),
        ([None] * 39 + [1.5], RefusalKind.TOO_FEW_ROWS, "1 of 40 rows"),
        (["a", "b"] * 3, RefusalKind.TOO_FEW_ROWS, "6 of 6 rows"),
        ([float(i) for i in range(40)], RefusalKind.AMBIGUOUS_TASK, "#task="),
    ],
    ids=["one class", "fewer rows than classes", "rare class", "constant", "no targets", "few rows", "many integers"],
)
def test_targets_that_cannot_be_learnt_are_refused(room, given, targets, kind, message):
    filled, source = given(room, targets)
    refusal = filled.refusal(source)
    assert refusal.kind is kind, refusal.message
    assert message in refusal.message


@FORMATS
def test_rows_without_a_target_are_dropped_and_counted(room, given):
    filled, source = given(room, [*["a", "b"] * 20, None, None])
    facts = filled.load(source).reply.facts
    assert (facts.rows, facts.dropped_rows) == (40, 2)


def test_nan_targets_of_numbers_are_dropped_and_counted(room):
    targets = [*(i / 7 for i in range(40)), float("nan"), float("nan")]
    for given in (by_parquet, by_npz, by_jsonl):
        filled, source = given(room, targets)
        assert filled.load(source).reply.facts.dropped_rows == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x,y\n1,2\n", "not a Parquet file"),
        (b"", "not a Parquet file"),
        (b"PAR1 and then something else", "damaged"),
        (b"PAR1" + b"\xff" * 100 + b"PAR1", "damaged"),
    ],
)
def test_what_is_not_parquet_is_refused(room, content, message):
    assert message in room.put(content, "data.parquet").refusal(PARQUET).message


def test_a_parquet_file_that_is_cut_off_is_refused(room):
    parquet(room, a=NUMBERS, y=LABELS)
    whole = (room.root / "in" / "raw" / "data.parquet").read_bytes()
    assert "damaged" in room.put(whole[: len(whole) // 2], "data.parquet").refusal(PARQUET).message


def test_parquet_columns_of_one_name_are_refused(room):
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array(NUMBERS), pa.array(NUMBERS)], names=["y", "y"]), sink)
    refusal = room.put(sink.getvalue(), "data.parquet").refusal(PARQUET)
    assert (refusal.kind, "'y'" in refusal.message) == (RefusalKind.WRONG_COLUMNS, True)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.ones((N, 2)), "y": np.array([{}] * N, dtype=object)}, "pickled Python objects"),
        ({"x": np.array([[None]] * N), "y": np.arange(N) % 2}, "pickled Python objects"),
        ({"x": np.ones((N, 2)), "y": np.arange(N - 1)}, "each row of inputs needs one target"),
        ({"x": np.ones((N, 2)), "y": np.ones((N, 3))}, "argmax"),
        ({"x": np.ones((N, 2, 2, 2, 2)), "y": np.arange(N) % 2}, "images"),
        ({"x": np.full((N, 4, 4), np.nan), "y": np.arange(N) % 2}, "NaN"),
        ({"x": np.array(["a"] * N), "y": np.arange(N) % 2}, "have to be numbers"),
        ({"a": np.ones((N, 2)), "b": np.arange(N)}, "'a', 'b'"),
        ({"x": np.float64(1), "y": np.arange(N)}, "single values"),
        ({"x": np.ones((0, 2)), "y": np.ones(0)}, "no rows"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_arrays_that_cannot_be_used_are_refused(room, arrays, message):
    assert message in npz(room, **arrays).refusal(NpzSource()).message


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 1), (3, 1, 1)], ids=str)
def test_images_of_a_single_pixel_in_an_array_are_refused_as_those_of_a_folder_are(room, shape):
    pixels = np.random.RandomState(0).rand(N, *shape)
    refusal = npz(room, x=pixels, y=np.arange(N) % 2).refusal(NpzSource())
    assert refusal.kind is RefusalKind.BAD_IMAGES
    assert "Images in 'x' are of a single pixel" in refusal.message
    assert "rows x columns" in refusal.message


@pytest.mark.parametrize("shape", [(1, 2), (2, 1), (1, 2, 1)], ids=str)
def test_images_of_two_pixels_in_an_array_are_images(room, shape):
    reply = npz(room, x=np.random.RandomState(0).rand(N, *shape), y=np.arange(N) % 2).load(NpzSource()).reply
    assert reply.input_kind is InputKind.IMAGE
    assert sorted(reply.input_shape) == [1, 1, 2]


def test_what_is_not_npz_is_refused(room):
    assert "not an .npz file" in room.put(b"x,y\n1,2\n", "data.npz").refusal(NpzSource()).message
    single = io.BytesIO()
    np.save(single, np.ones(4))
    assert "numpy.savez" in room.put(single.getvalue(), "data.npz").refusal(NpzSource()).message
    npz(room, x=np.random.rand(N, 50), y=np.arange(N) % 2)
    whole = (room.root / "in" / "raw" / "data.npz").read_bytes()
    assert "cut off" in room.put(whole[:-30], "data.npz").refusal(NpzSource()).message


def test_a_header_that_promises_more_than_the_file_holds_is_refused_before_it_is_made(room):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("x", "y"):
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(
                header, {"descr": "<f8", "fortran_order": False, "shape": (2**40, 2**10)}
            )
            archive.writestr(f"{name}.npy", header.getvalue())
    assert "the file holds less" in room.put(sink.getvalue(), "data.npz").refusal(NpzSource()).message


def test_an_archive_that_unpacks_to_more_than_the_room_has_is_refused(room, monkeypatch):
    monkeypatch.setattr("fumehood_runner.prepare.memory.free_bytes", lambda: 10 * 2**20)
    bomb = npz(room, x=np.zeros((2**14, 100)), y=np.zeros(2**14))
    assert "10 MiB are free" in bomb.refusal(NpzSource()).message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "cut off", "lab', "Line 31 is not JSON"),
        ("plain words", "Line 31 is not JSON"),
        ('["text", "label"]', "Line 31 is an array and not an object"),
        ("17", "Line 31 is a single value"),
        ('{"text": {"body": "words"}, "label": "yes"}', "Line 31 has an object in 'text'"),
        ('{"text": "words", "label": ["yes"]}', "Line 31 has an array in 'label'"),
        ('{"text": 5, "label": "yes"}', "Line 31 has a number in 'text'"),
        ('{"text": "a", "text": "b", "label": "yes"}', "Line 31 has the key 'text' more than once"),
        ('{"text": "words", "label": 5}', "a number (first in line 31)"),
        ('{"text": "words", "label": true}', "true or false (first in line 31)"),
        ("[" * 100_000, "Line 31 "),
    ],
    ids=range(11),
)
def test_a_broken_line_in_the_middle_is_named(room, line, message):
    rows = [{"text": t, "label": y} for t, y in zip(TEXTS, LABELS, strict=True)]
    assert message in jsonl(room, *rows[:30], line, *rows[30:]).refusal(JSONL).message


def test_bytes_that_are_no_text_are_named_by_their_line(room):
    good = b'{"text": "some words", "label": "yes"}\n'
    refusal = room.put(good * 2 + b'{"text": "\xff", "label": "no"}\n', "data.jsonl").refusal(JSONL)
    assert "Line 3 is not UTF-8" in refusal.message


def test_one_json_array_over_several_lines_is_told_what_lines_are(room):
    assert "is not JSON lines" in room.put("[\n{}\n]\n", "data.jsonl").refusal(JSONL).message


def test_keys_that_no_line_has_are_told_with_those_there_are(room):
    refusal = reviews(room).refusal(JsonlSource(text="txet", target="label", length=256))
    assert "'text', 'label'" in refusal.message
    assert (
        reviews(room).refusal(JsonlSource(text="text", target="lable", length=256)).kind is RefusalKind.NO_TARGET_COLUMN
    )


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_a_file_without_lines_is_refused(room, content):
    assert "no rows" in room.put(content, "data.jsonl").refusal(JSONL).message


def test_texts_without_a_common_word_have_no_features(room):
    rows = [{"text": f"word{i}", "label": LABELS[i]} for i in range(N)]
    assert jsonl(room, *rows).refusal(JSONL).kind is RefusalKind.NO_FEATURES


def test_half_a_surrogate_pair_does_no_harm(room):
    rows = [{"text": f"\ud800 word {i % 3}", "label": LABELS[i]} for i in range(N)]
    assert jsonl(room, *rows).load(JSONL).reply.num_outputs == 2
