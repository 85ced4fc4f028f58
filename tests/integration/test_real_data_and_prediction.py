"""Whole runs on real data through the command line, and their winners on new rows."""

import csv
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.datasets import load_breast_cancer, load_diabetes

from fumehood.journal import fold, read
from fumehood.records import Run
from fumehood_shared.messages import TabularEncoding
from integration.lab import fumehood_cli

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

FEW = ("--max-iterations", "1", "--num-seeds", "2", "--json")


def finished(folder: Path) -> Run:
    return fold(read(folder / "journal.jsonl")).run


def write(path: Path, header: list[str], rows: list[list[Any]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture(scope="module")
def regression(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diabetes") / "run"
    done = fumehood_cli("run", "--goal", "Predict diabetes with R2 above 0", "--data", "diabetes", *FEW,
                        "--workdir", str(folder))  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    return folder


@pytest.fixture(scope="module")
def classification(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], list[list[Any]]]:
    """A run on breast cancer as a CSV file with a column of categories, missing cells and a target in words."""
    folder, data, draw = tmp_path_factory.mktemp("cancer"), load_breast_cancer(), random.Random(1)
    header = [*(str(name).replace(" ", "_") for name in data.feature_names[:12]), "clinic", "diagnosis"]
    rows = [
        [*("" if draw.random() < 0.03 else f"{x:.6g}" for x in row[:12]), draw.choice("NSW"), data.target_names[label]]
        for row, label in zip(data.data, data.target, strict=True)
    ]
    table = write(folder / "cancer.csv", header, rows)
    done = fumehood_cli("run", "--goal", "Classify tumours with accuracy above 70%", "--data",
                        f"csv:{table}#target=diagnosis", *FEW, "--workdir", str(folder / "run"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["goal_achieved"] is True
    return folder / "run", header, rows


def test_diabetes_is_better_than_the_mean_predictor(regression: Path) -> None:
    final = finished(regression).final
    assert final is not None
    interval = final.score.metrics["r2"].interval
    assert interval is not None
    assert interval.low > final.score.baseline - 0.05
    assert 0.2 < final.score.metrics["r2"].mean < 0.75
    assert interval.low < final.score.metrics["r2"].mean < interval.high


def test_categories_and_missing_cells_are_told_and_used(classification: tuple[Path, list[str], list[Any]]) -> None:
    run = finished(classification[0])
    assert run.dataset is not None
    assert isinstance(run.dataset.encoding, TabularEncoding)
    assert {column.kind for column in run.dataset.encoding.columns} == {"number", "category"}
    assert sum(run.dataset.facts.missing_cells.values()) > 50
    assert run.final is not None
    assert run.final.score.primary.mean > 0.85


def predicted(folder: Path, table: Path, output: Path) -> list[dict[str, str]]:
    done = fumehood_cli("predict", str(folder), "--data", f"csv:{table}", "--output", str(output))
    assert done.returncode == 0, done.stderr
    with output.open(newline="") as file:
        return list(csv.DictReader(file))


def stored(folder: Path, run: Run) -> np.ndarray[Any, Any]:
    """The predictions on validation by the winner's fresh seeds, which it predicts with: seeds x rows x outputs."""
    best = run.best()
    assert best is not None
    assert run.dataset is not None
    parts = sorted((folder / "iterations" / f"{best.number:03d}" / "fresh" / "predictions").glob("seed-*.bin"))
    return np.stack([np.fromfile(p, dtype="<f4").reshape(-1, run.dataset.num_outputs) for p in parts])


def test_regression_on_known_rows_agrees_with_the_stored_predictions(regression: Path, tmp_path: Path) -> None:
    run, data = finished(regression), load_diabetes(scaled=False)
    assert run.dataset is not None
    columns = run.dataset.encoding.columns  # type: ignore[union-attr]  # diabetes is a table
    assert all(column.kind == "number" for column in columns)
    encoded = np.fromfile(regression / "sealed/validation_inputs.bin", dtype="<f4").reshape(-1, len(columns))
    mean, std = (np.array([getattr(column, name) for column in columns]) for name in ("mean", "std"))
    names = [str(n) for n in load_diabetes().feature_names]
    rows, raw = encoded * std + mean, load_diabetes().data
    if np.abs(rows.max()) > 1:
        raw = data.data
    order = [names.index(column.name) for column in columns]
    nearest = [int(np.abs((raw[:, order] - row) / std).max(axis=1).argmin()) for row in rows]
    table = write(tmp_path / "rows.csv", names, [[repr(float(x)) for x in raw[i]] for i in nearest])
    answers = predicted(regression, table, tmp_path / "out.csv")
    ours = np.array([float(answer[run.dataset.target.name]) for answer in answers])
    assert np.allclose(ours, stored(regression, run).mean(axis=0)[:, 0], rtol=1e-3, atol=0.05)


def test_classification_agrees_with_the_stored_predictions_in_any_order_of_columns(
    classification: tuple[Path, list[str], list[list[Any]]], tmp_path: Path
) -> None:
    folder, header, rows = classification
    run = finished(folder)
    assert run.dataset is not None
    everything = write(tmp_path / "all.csv", header[:-1], [row[:-1] for row in rows])
    shuffled = list(range(len(header) - 1))
    random.Random(3).shuffle(shuffled)
    turned = write(tmp_path / "turned.csv", [header[i] for i in shuffled], [[r[i] for i in shuffled] for r in rows])
    answers = predicted(folder, everything, tmp_path / "1.csv")
    assert answers == predicted(folder, turned, tmp_path / "2.csv")
    assert len(answers) == len(rows)
    assert sum(a["diagnosis"] == row[-1] for a, row in zip(answers, rows, strict=True)) > 0.85 * len(rows)
    probability = f"probability of {run.dataset.target.classes[0]}"
    ours = np.array([float(answer[probability]) for answer in answers])
    theirs = softmax(stored(folder, run), axis=2).mean(axis=0)[:, 0]
    distances = np.abs(ours[None, :] - theirs[:, None]).min(axis=1)
    assert distances.max() < 1e-4, "every validation row is among the rows of the file"


def test_a_missing_column_is_refused_by_name(
    classification: tuple[Path, list[str], list[list[Any]]], tmp_path: Path
) -> None:
    folder, header, rows = classification
    table = write(tmp_path / "less.csv", header[1:-1], [row[1:-1] for row in rows[:20]])
    done = fumehood_cli("predict", str(folder), "--data", f"csv:{table}")
    assert done.returncode == 2
    assert header[0] in done.stderr
    assert done.stdout == ""


def test_no_keep_leaves_what_predicting_needs(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = fumehood_cli("run", "--goal", "Classify iris as well as possible", "--data", "iris", *FEW, "--no-keep",
                        "--workdir", str(folder))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (folder / "sealed").exists()
    assert not (folder / "iterations").exists()
    run = finished(folder)
    assert run.dataset is not None
    names = [column.name for column in run.dataset.encoding.columns]  # type: ignore[union-attr]  # iris is a table
    table = write(tmp_path / "flowers.csv", names, [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]])
    answers = predicted(folder, table, tmp_path / "out.csv")
    assert [answer[run.dataset.target.name] for answer in answers] == ["setosa", "virginica"]
