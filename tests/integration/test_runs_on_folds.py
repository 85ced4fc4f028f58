"""Validation on folds, in real rooms: a run from start to report, what is made of it later, what a fold's model knows.

A candidate that looks rows up answers nothing for the rows of a fold, because none of them was in its train room.
"""

import csv
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.datasets import load_wine

from chaos.runs import kinds
from fumehood.executors.local import predictions_file
from fumehood.journal import fold, read
from fumehood.records import Run, SeedResult
from fumehood_shared.messages import FailureKind
from integration.lab import fumehood_cli, started, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(500)]

ASKED = ("--goal", "Classify wine", "--data", "wine", "--splits", "kfold:3", "--num-seeds", "2")
FOLDS = 3
IN_FOLD_2 = 6
"""Of 120 rows of two classes in turn, by split seed 0."""


def told(folder: Path) -> Run:
    return fold(read(folder / "journal.jsonl")).run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed between two folds, and completed."""
    folder = tmp_path_factory.mktemp("wine") / "run"
    with started("run", *ASKED, "--max-iterations", "1", "--workdir", str(folder)) as process:
        assert wait_until((folder / "iterations/001/folds/2").exists, 120.0, every_s=0.002)
        process.kill()
        process.wait()
    assert "evaluated" not in kinds(folder)
    done = fumehood_cli("resume", str(folder), "--json")
    assert done.returncode == 0, done.stderr
    return folder


# ---- a run -----------------------------------------------------------------------------------------------------------


def test_all_rows_but_the_tests_are_scored_and_every_seed_has_a_model_a_fold(finished: Path) -> None:
    run = told(finished)
    assert run.dataset is not None
    assert run.final is not None
    assert [run.dataset.rows(split) for split in ("train", "validation", "test")] == [94, 142, 36]
    score = run.iterations[0].score
    assert score is not None
    assert (score.n_examples, score.n_seeds, run.final.score.n_examples) == (142, 2, 36)
    assert score.primary.mean > 0.85
    assert run.final.score.primary.mean > 0.85
    for seed in run.iterations[0].envelope.seeds:
        assert len(seed.folds) == FOLDS
        assert len({model.weights_digest for model in seed.folds}) == FOLDS
        assert seed.parameters == max(model.parameters or 0 for model in seed.folds)
        assert seed.second_look is not None
        assert seed.second_look.repeated == 142
    rooms = [room.role for room in run.iterations[0].envelope.rooms]
    assert (rooms.count("train"), rooms.count("predict")) == (FOLDS, FOLDS)


def test_what_the_killed_process_left_of_its_folds_is_gone_and_was_done_again(finished: Path) -> None:
    assert kinds(finished).count("evaluated") == 1
    assert not (finished / "iterations/001/folds").exists()


def test_the_predictions_of_a_seed_are_those_of_its_folds_one_after_the_other(finished: Path) -> None:
    run = told(finished)
    assert run.dataset is not None
    seed = run.iterations[0].envelope.seeds[0]
    array = np.fromfile(predictions_file(finished / "iterations/001/predictions", seed.seed), "<f4").reshape(142, 3)
    labels = np.fromfile(finished / "sealed/validation_targets.bin", "<i8")
    ends = np.cumsum([run.dataset.fold(k).rows("validation") for k in run.dataset.numbers])
    for part, own, number in zip(np.split(array, ends[:-1]), np.split(labels, ends[:-1]), (1, 2, 3), strict=True):
        assert own.tolist() == np.fromfile(finished / f"sealed/fold{number}_validation_targets.bin", "<i8").tolist()
        assert (part.argmax(1) == own).mean() > 0.8


def test_the_baselines_are_measured_on_the_same_rows(finished: Path) -> None:
    run = told(finished)
    assert run.baselines is not None
    assert [one.failure for one in run.baselines.results] == [""] * len(run.baselines.results)
    assert {one.score.n_examples for one in run.baselines.results if one.score} == {142}
    assert run.baseline_final is not None
    assert run.baseline_final.score.n_examples == 36


def test_the_reports_say_how_it_was_done_and_how_to_do_it_again(finished: Path) -> None:
    for name in ("research_summary.md", "statistical_analysis.md", "report.html"):
        text = (finished / "reports" / name).read_text()
        assert "divided into 3 folds" in text, name
        assert "never across seeds" in text, name
    assert "--splits kfold:3" in (finished / "reports/research_summary.md").read_text()


# ---- what is made of it later ----------------------------------------------------------------------------------------


def test_an_audit_finds_nothing_and_finds_weights_that_were_changed(finished: Path, tmp_path: Path) -> None:
    done = fumehood_cli("audit", str(finished), "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["passed"]) == (0, True)
    same = [f["count"] for f in found["findings"] if (f["status"], f["group"]) == ("same", "weights")]
    assert sum(same) == 2 * FOLDS * 3  # the incumbent's, the winner's fresh ones, and these where users look
    (weights,) = (finished / "weights" / "fold-2").glob(f"seed-{_winning(finished)[0].seed}.safetensors")
    content = weights.read_bytes()
    try:
        weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        spoilt = json.loads(fumehood_cli("audit", str(finished), "--json").stdout)
    finally:
        weights.write_bytes(content)
    differing = [finding for finding in spoilt["findings"] if finding["status"] == "differs"]
    assert [finding["group"] for finding in differing] == ["weights"]


def _winning(folder: Path) -> tuple[SeedResult, ...]:
    envelope = told(folder).winning()
    assert envelope is not None
    return envelope.seeds


def test_a_candidate_tried_again_gives_the_same_bits(finished: Path) -> None:
    done = fumehood_cli("replay", str(finished), "--iteration", "1", "--json")
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (0, "bit_by_bit")


def test_new_rows_are_predicted_by_all_models_of_a_seed_as_the_test_was(finished: Path, tmp_path: Path) -> None:
    """The test's own rows among them: their probabilities are those of the sealed predictions, averaged over seeds."""
    output = tmp_path / "out.csv"
    assert fumehood_cli("predict", str(finished), "--data", "wine", "--output", str(output)).returncode == 0
    with output.open(newline="") as file:
        rows = [[float(cell) for cell in list(row.values())[2:]] for row in csv.DictReader(file)]
    names = [predictions_file(finished / "sealed/final/predictions", seed.seed) for seed in _winning(finished)]
    sealed = np.mean([softmax(np.fromfile(n, "<f4").reshape(36, 3).astype(np.float64), axis=1) for n in names], axis=0)
    distances = np.abs(np.array(rows)[None] - sealed[:, None]).max(axis=2).min(axis=1)
    assert len(rows) == len(load_wine().target)
    assert distances.max() < 1e-4


# ---- what a fold's model knows ---------------------------------------------------------------------------------------

LOOKS_UP = """\
import torch
from torch import nn

class Table(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.register_buffer("rows", torch.zeros(ROWS, width))
        self.register_buffer("labels", torch.zeros(ROWS))
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        same = (x[:, None, :] == self.rows[None]).all(dim=2)
        known = same.any(dim=1)
        label = self.labels[same.float().argmax(dim=1)].long()
        return nn.functional.one_hot(label, 2).float() * 10 * known[:, None] + self.weight * 0

def build_model(input_shape, num_outputs):
    return Table(input_shape[0])

def train(model, data, context):
    model.rows[: len(data.inputs)] = data.inputs
    model.labels[: len(data.targets)] = data.targets
    return model
"""
"""Answers zeros for a row that it was not trained on."""

FAILS_WITHOUT_A_ROW = """\
from torch import nn

RECIPE = {"epochs": 1}

def build_model(input_shape, num_outputs):
    return nn.Linear(input_shape[0], num_outputs)

def train(model, data, context):
    if data.inputs[:, 0].max() < 5:
        raise ValueError("a row is not here")
    return model
"""


def checked(tmp_path: Path, source: str, rows: list[list[Any]], *options: str) -> tuple[dict[str, Any], Path]:
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["x", "z", "y"], *rows])
    (tmp_path / "model.py").write_text(source)
    done = fumehood_cli(
        "check", str(tmp_path / "model.py"), "--data", f"csv:{tmp_path / 'rows.csv'}#target=y", "--splits", "kfold:3",
        "--json", "--workdir", str(tmp_path / "kept"), *options,
    )  # fmt: skip
    return json.loads(done.stdout), tmp_path / "kept"


def test_no_row_of_a_fold_was_in_the_train_room_of_the_model_that_is_asked_about_it(tmp_path: Path) -> None:
    draw = random.Random(0)
    rows = [[draw.gauss(0, 1), draw.gauss(0, 1), draw.choice("ab")] for _ in range(120)]
    found, kept = checked(tmp_path, LOOKS_UP.replace("ROWS", "64"), rows, "--num-seeds", "1")
    assert found["exit_code"] == 0, found
    assert found["score"]["split"] == "validation"
    answers = np.fromfile(kept / "predictions/seed-0.bin", "<f4")
    assert answers.shape == (2 * 96,)
    assert not answers.any()


def test_a_look_up_of_rows_that_other_folds_have_too_is_found_out_by_the_second_look_at_a_fold(tmp_path: Path) -> None:
    """Each row three times, so that most of them were trained on, and answers collapse where their rows change."""
    draw = random.Random(0)
    rows = [[draw.gauss(0, 1), draw.gauss(0, 1), draw.choice("ab")] for _ in range(40)]
    thrice = [row for row in rows for _ in range(3)]
    found, _ = checked(tmp_path, LOOKS_UP.replace("ROWS", "64"), thrice, "--num-seeds", "1")
    assert [seed["failure"] for seed in found["seeds"]] == [FailureKind.UNSTABLE.value]
    assert found["rejections"][0]["reason"].startswith("on fold 1 of 3: ")


def test_a_seed_that_fails_on_one_fold_has_failed_and_says_on_which(tmp_path: Path) -> None:
    draw = random.Random(0)
    rows = [[draw.gauss(0, 1), draw.gauss(0, 1), "ab"[k % 2]] for k in range(120)]
    rows[IN_FOLD_2][0] = 50.0
    found, kept = checked(tmp_path, FAILS_WITHOUT_A_ROW, rows, "--num-seeds", "2")
    assert (found["exit_code"], found["verdict"]) == (3, "candidate_failed")
    assert {seed["failure"] for seed in found["seeds"]} == {FailureKind.CRASHED.value}
    assert all(one["reason"].startswith("on fold 2 of 3: ") for one in found["rejections"]), found["rejections"]
    assert "a row is not here" in found["rejections"][0]["reason"]
    assert [room["role"] for room in found["facts"]["rooms"]].count("predict") == 2  # one a seed, of the first fold
    assert list((kept / "weights").rglob("*.safetensors")) == []


def test_a_row_order_of_time_is_refused_before_a_room_is_opened(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("x,day,y\n" + "".join(f"{k},{k},{'ab'[k % 2]}\n" for k in range(60)))
    (tmp_path / "model.py").write_text(FAILS_WITHOUT_A_ROW)
    spec = f"csv:{tmp_path / 'x.csv'}#target=y&time=day"
    done = fumehood_cli("check", str(tmp_path / "model.py"), "--data", spec, "--splits", "kfold:3")
    assert done.returncode == 2
    assert "kfold:3 and #time= do not go together" in done.stderr
