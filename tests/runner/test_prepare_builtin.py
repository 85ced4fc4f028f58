"""The built-in sets come out of the prepare room as scikit-learn has them, split and standardised."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the prepare room's libraries are not installed")

from prepare_room import SPLITS, Room
from sklearn import datasets

from fumehood_runner.prepare import prepare
from fumehood_shared.messages import BuiltinSource, InputKind, PrepareRequest, Refusal, Task

pytestmark = pytest.mark.runner


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


@pytest.mark.parametrize(
    ("name", "rows", "features", "classes"),
    [
        ("breast_cancer", 569, 30, ("benign", "malignant")),
        ("wine", 178, 13, ("class_0", "class_1", "class_2")),
        ("iris", 150, 4, ("setosa", "versicolor", "virginica")),
    ],
)
def test_tabular_sets_have_their_rows_features_and_class_names(room, name, rows, features, classes):
    prepared = room.builtin(name)
    assert prepared.reply.input_kind is InputKind.TABULAR
    assert prepared.reply.input_shape == (features,)
    assert prepared.reply.target.classes == classes
    assert prepared.reply.num_outputs == len(classes)
    assert sum(len(prepared.array(f"{s}_targets")) for s in SPLITS) == rows == prepared.reply.facts.rows
    assert sum(prepared.reply.facts.class_counts.values()) == rows


def test_digits_are_images_standardised_over_the_training_rows(room):
    prepared = room.builtin("digits")
    inputs = prepared.array("train_inputs")
    assert prepared.reply.input_shape == inputs.shape[1:] == (1, 8, 8)
    assert inputs.mean(dtype=np.float64) == pytest.approx(0, abs=1e-5)
    assert inputs.std(dtype=np.float64) == pytest.approx(1, abs=1e-5)
    assert prepared.reply.target.classes == tuple("0123456789")


def test_decoding_the_digits_gives_scikit_learns_images_with_their_own_labels(room):
    prepared = room.builtin("digits")
    encoding = prepared.reply.encoding
    original = {image.tobytes(): label for image, label in zip(*datasets.load_digits(return_X_y=True), strict=True)}
    for split in SPLITS:
        pixels = prepared.array(f"{split}_inputs").astype(np.float64) * encoding.std[0] + encoding.mean[0]
        labels = [original[row.tobytes()] for row in (np.round(pixels) + 0.0).reshape(-1, 64)]
        assert labels == prepared.array(f"{split}_targets").tolist()


def test_diabetes_is_a_regression_in_its_own_units(room):
    prepared = room.builtin("diabetes")
    targets = np.concatenate([prepared.array(f"{s}_targets") for s in SPLITS])
    assert prepared.reply.task is Task.REGRESSION
    assert prepared.reply.num_outputs == 1
    assert prepared.reply.target.name == "disease_progression"
    assert sorted(targets[:, 0]) == sorted(datasets.load_diabetes().target)
    assert prepared.reply.target.mean[0] == pytest.approx(prepared.array("train_targets").mean(), rel=1e-5)
    assert prepared.reply.target.std[0] == pytest.approx(prepared.array("train_targets").std(), rel=1e-5)


def test_diabetes_columns_are_fitted_on_raw_measurements(room):
    ages = next(c for c in room.builtin("diabetes").reply.encoding.columns if c.name == "age")
    assert 40 < ages.mean < 60


def test_the_class_index_points_at_the_class_name(room):
    prepared = room.builtin("breast_cancer")
    assert prepared.reply.facts.class_counts == {"benign": 357, "malignant": 212}
    counts = np.bincount(np.concatenate([prepared.array(f"{s}_targets") for s in SPLITS]))
    assert counts.tolist() == [357, 212]


def test_an_unknown_set_is_refused_with_the_nearest_name_first(tmp_path):
    request = PrepareRequest(
        source=BuiltinSource(name="digit"), split_seed=0, validation_fraction=0.2, test_fraction=0.2, deadline_s=60.0
    )
    refusal = prepare(request, tmp_path)
    assert isinstance(refusal, Refusal)
    assert "There are: digits," in refusal.message


def test_new_images_from_a_csv_are_encoded_like_the_built_in_ones(room):
    encoding = room.builtin("digits").reply.encoding
    builtin = room.encoded(encoding, builtin="digits")
    pixels, labels = datasets.load_digits(return_X_y=True)
    header = ",".join([*(f"p{i}" for i in range(64)), "label"])
    lines = [",".join(map(str, [*row.astype(int), label])) for row, label in zip(pixels, labels, strict=True)]
    room.put("\n".join([header, *lines]))
    assert np.array_equal(room.encoded(encoding, target="label"), builtin)


def test_images_of_another_size_and_tables_are_refused_by_an_image_encoding(room):
    encoding = room.builtin("digits").reply.encoding
    room.put("a,b\n1,2\n")
    message = room.encode(encoding).message
    assert "64 number columns are needed" in message
    assert "the file has 2" in message
    assert "4" in room.encode(encoding, builtin="iris").message


def test_a_table_encoding_refuses_images_and_foreign_tables(room):
    encoding = room.builtin("iris").reply.encoding
    assert "1x8x8 images" in room.encode(encoding, builtin="digits").message
    refusal = room.encode(encoding, builtin="wine")
    assert refusal.kind == "wrong_columns"
    assert "'sepal length (cm)'" in refusal.message
