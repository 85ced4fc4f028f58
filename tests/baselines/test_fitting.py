"""The process that fits baselines, on real data: what it predicts, what it is given, and how it is ended."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.datasets import load_diabetes, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from fumehood.baselines import child, fitting
from fumehood.baselines.fitting import Fitting
from fumehood.baselines.models import Shape, models
from fumehood.baselines.wire import predictions_file
from fumehood.records import Dataset
from fumehood_shared import paths
from fumehood_shared.messages import ArraySpec, DataFacts, Fold, InputKind, TabularEncoding, TargetEncoding, Task

pytestmark = pytest.mark.unit

SPLITS = ("train", "validation", "test")


def sealed(folder, inputs, targets, kind, outputs, vocab_size=None):
    """A data set in files, a third for each split; of ``validation`` and ``test`` there are no targets."""
    arrays = {}
    for split, rows in zip(SPLITS, np.array_split(np.arange(len(inputs)), 3), strict=True):
        kept = {"inputs": inputs[rows], "targets": targets[rows]} if split == "train" else {"inputs": inputs[rows]}
        for name, array in kept.items():
            array.tofile(folder / paths.array_file(f"{split}_{name}"))
            dtype = "int64" if array.dtype == np.int64 else "float32"
            arrays[f"{split}_{name}"] = ArraySpec(dtype=dtype, shape=array.shape)
    return Dataset(
        spec="test",
        task=Task.REGRESSION if targets.dtype == np.float32 else Task.CLASSIFICATION,
        input_kind=kind,
        input_shape=inputs.shape[1:],
        num_outputs=outputs,
        vocab_size=vocab_size,
        encoding=TabularEncoding(columns=()),
        target=TargetEncoding(name="y"),
        arrays=arrays,
        digests={},
        source_digest="",
        split_seed=0,
        facts=DataFacts(rows=len(inputs)),
    )


def fitted(dataset, folder, **settings):
    with Fitting(dataset, folder, folder / "into", **settings) as work:
        return {one.name: one for one in work.wait(120.0)}


def predicted(folder, name, split="validation", outputs=1):
    return np.fromfile(predictions_file(folder / "into", name, split), "<f4").reshape(-1, outputs)


def digits(folder):
    pixels, labels = load_digits(return_X_y=True)
    images = (pixels.reshape(-1, 1, 8, 8) / 16).astype(np.float32)
    return sealed(folder, images, labels.astype(np.int64), InputKind.IMAGE, 10), images, labels


def test_images_are_flattened_and_predictions_are_those_of_scikit_learn(tmp_path):
    dataset, images, labels = digits(tmp_path)
    found = fitted(dataset, tmp_path)
    assert [one.failure for one in found.values()] == [""] * 5
    flat = images.reshape(len(images), -1)
    rows = np.array_split(np.arange(len(images)), 3)
    own = SVC(break_ties=True).fit(flat[rows[0]], labels[rows[0]])
    for split, of in (("validation", rows[1]), ("test", rows[2])):
        assert np.array_equal(predicted(tmp_path, "svm", split, 10).argmax(1), own.predict(flat[of]))
    accuracy = {
        name: float((predicted(tmp_path, name, outputs=10).argmax(1) == labels[rows[1]]).mean()) for name in found
    }
    assert accuracy["majority"] < 0.2
    assert min(value for name, value in accuracy.items() if name != "majority") > 0.8


def folded(dataset, folder, inputs, targets, count):
    """The same with its first two thirds divided into folds, each with inputs of its own scale; and their rows."""
    rest, test = np.split(np.arange(len(inputs)), [2 * len(inputs) // 3])
    parts, arrays = np.array_split(rest, count), {}
    for fold, part in enumerate(parts, start=1):
        own = {"train_inputs": inputs[np.setdiff1d(rest, part)], "validation_inputs": inputs[part]}
        own |= {"test_inputs": inputs[test]}
        own = {name: (array * np.float32(fold)) for name, array in own.items()}
        own |= {"train_targets": targets[np.setdiff1d(rest, part)]}
        for name, array in own.items():
            called = paths.fold_array(fold, name)
            array.tofile(folder / paths.array_file(called))
            arrays[called] = ArraySpec(dtype="int64" if array.dtype == np.int64 else "float32", shape=array.shape)
    own = Fold(encoding=dataset.encoding, target=dataset.target)
    return dataset.model_copy(update={"arrays": arrays, "folds": (own,) * count}), parts, test


def test_with_folds_each_is_predicted_by_a_fit_on_the_others_and_the_test_by_all_of_them(tmp_path):
    pixels, labels = (array[:300] for array in load_digits(return_X_y=True))
    inputs, labels = (pixels / 16).astype(np.float32), labels.astype(np.int64)
    whole = sealed(tmp_path, inputs, labels, InputKind.TABULAR, 10)
    dataset, parts, test = folded(whole, tmp_path, inputs, labels, 3)
    found = fitted(dataset, tmp_path)
    assert [one.failure for one in found.values()] == [""] * 5
    rest, expected, tested = np.concatenate(parts), [], []
    for fold, part in enumerate(parts, start=1):
        others, scale = np.setdiff1d(rest, part), np.float32(fold)
        own = LogisticRegression(max_iter=2000).fit(inputs[others] * scale, labels[others])
        expected.append(own.predict_proba(inputs[part] * scale))
        tested.append(own.predict_proba(inputs[test] * scale))
    for split, probabilities in (("validation", np.concatenate(expected)), ("test", np.mean(tested, axis=0))):
        answers = softmax(predicted(tmp_path, "logistic", split, 10).astype(np.float64), axis=1)
        assert np.allclose(answers, probabilities, atol=1e-4)
    right = {name: (predicted(tmp_path, name, outputs=10).argmax(1) == labels[rest]).mean() for name in found}
    assert min(value for name, value in right.items() if name != "majority") > 0.75


def test_regression_is_predicted_in_the_targets_own_units(tmp_path):
    inputs, targets = load_diabetes(return_X_y=True)
    dataset = sealed(tmp_path, inputs.astype(np.float32), targets.astype(np.float32)[:, None], InputKind.TABULAR, 1)
    found = fitted(dataset, tmp_path)
    assert [(name, one.failure) for name, one in found.items()] == [
        (name, "") for name in ("mean", "ridge", "svm", "forest", "boosting")
    ]
    of = np.array_split(targets, 3)[1]
    errors = {name: float(np.mean((predicted(tmp_path, name)[:, 0] - of) ** 2)) for name in found}
    assert all(errors[name] < 0.8 * errors["mean"] for name in ("ridge", "svm", "forest", "boosting"))


def test_tokens_are_counted_and_padding_is_not(tmp_path):
    """The class is whether word 7 comes up, anywhere."""
    draws = np.random.default_rng(0)
    labels = draws.integers(0, 2, 300).astype(np.int64)
    tokens = draws.integers(8, 20, (300, 12)).astype(np.int64)
    tokens[np.arange(300), draws.integers(0, 6, 300)] = np.where(labels, 7, 8)
    tokens[draws.random(300) < 0.5, 6:] = 0
    dataset = sealed(tmp_path, tokens, labels, InputKind.TOKENS, 2, vocab_size=20)
    order = Fitting(dataset, tmp_path, tmp_path / "into")._order
    counts = child._features(order, "train_inputs", dense=False).toarray()
    assert np.array_equal(counts, [np.bincount(row[row > 0], minlength=20) for row in tokens[:100]])
    found = fitted(dataset, tmp_path)
    assert [one.failure for one in found.values()] == [""] * 5
    right = predicted(tmp_path, "logistic", "test", 2).argmax(1) == labels[-100:]
    assert right.mean() > 0.9


def test_a_class_that_training_never_showed_is_never_predicted(tmp_path):
    inputs = np.random.default_rng(0).normal(size=(90, 2)).astype(np.float32)
    labels = (inputs[:, 0] > 0).astype(np.int64) * 2
    dataset = sealed(tmp_path, inputs, labels, InputKind.TABULAR, 3)
    found = fitted(dataset, tmp_path)
    assert [one.failure for one in found.values()] == [""] * 5
    assert all(1 not in predicted(tmp_path, name, outputs=3).argmax(1) for name in found)


def test_what_does_not_end_in_its_time_is_told_and_the_others_follow(tmp_path):
    """Loading takes longer than the time that is given: one after the other is ended, and nothing raises."""
    dataset, *_ = digits(tmp_path)
    found = fitted(dataset, tmp_path, each_s=0.01)
    assert {one.failure for one in found.values()} == {"did not end within 0.01 s"}


def test_what_cannot_be_fitted_is_told_and_the_others_follow(tmp_path):
    dataset, *_ = digits(tmp_path)
    (tmp_path / paths.array_file("test_inputs")).write_bytes(b"short")
    found = fitted(dataset, tmp_path)
    assert all(one.failure.startswith("ValueError") for one in found.values())


def test_what_needs_too_much_memory_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "MEMORY_BYTES", 2**30)
    wide = np.zeros((30_000, 2_000), np.float32)
    wide[:, 0] = np.arange(30_000)
    labels = (np.arange(30_000) % 2).astype(np.int64)
    dataset = sealed(tmp_path, np.concatenate([wide, wide, wide]), np.tile(labels, 3), InputKind.TABULAR, 2)
    found = fitted(dataset, tmp_path)
    assert "1 GiB of memory" in found["logistic"].failure


def test_leaving_ends_the_process_in_the_middle(tmp_path):
    dataset, *_ = digits(tmp_path)
    before = set(threading.enumerate())
    with Fitting(dataset, tmp_path, tmp_path / "into") as work:
        while work._process is None:
            time.sleep(0.001)
    assert set(threading.enumerate()) == before
    assert work._process.returncode is not None
    assert any("not done" in one.failure or "could not work" in one.failure for one in work.wait(0.0))


def test_the_process_ends_when_the_run_does(tmp_path):
    """Its standard input breaks, as it does when the controller is killed."""
    dataset, *_ = digits(tmp_path)
    work = Fitting(dataset, tmp_path, tmp_path / "into")
    (tmp_path / "into").mkdir()
    process = fitting._start(work._order)
    process.stdin.close()
    assert process.wait(60) == 1
    process.stdout.close()


@pytest.mark.parametrize("task", Task)
def test_a_support_vector_machine_is_for_few_rows(task):
    svm = next(model for model in models(task) if model.name == "svm")
    assert svm.unfit(Shape(task, InputKind.TABULAR, 10_000, 5, 2)) == ""
    assert "10,000" in svm.unfit(Shape(task, InputKind.TABULAR, 10_001, 5, 2))


def test_nothing_is_left_in_the_folder_from_an_earlier_attempt(tmp_path):
    dataset, *_ = digits(tmp_path)
    old = Path(tmp_path / "into" / "svm" / "test" / "seed-0.bin")
    old.parent.mkdir(parents=True)
    old.write_bytes(b"of a run that was killed")
    assert fitted(dataset, tmp_path)["svm"].failure == ""
    assert old.stat().st_size == 4 * 10 * dataset.rows("test")
