"""A trained model is asked about rows that it was trained on: right numbers, and no harm to the seed, come what may."""

from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss, r2_score, root_mean_squared_error

from fumehood_runner.seeds import train_seed
from fumehood_runner.train_slice import train_slice
from fumehood_shared import caps
from fumehood_shared.messages import Task, TrainRequest, TrainSlice, WorkerReport
from runner.seed_room import LINEAR, Data, Room, blobs, images, line, spec

pytestmark = pytest.mark.runner

NOISY = """
from torch import nn

RECIPE = {"label_smoothing": 0.3, "augment": ["noise", "shift"], "batch_size": 16}

def build_model(input_shape, num_outputs):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.8), nn.LazyLinear(num_outputs)
    )
"""
STILL = LINEAR + "\ndef train(model, data, context):\n    data.inputs.zero_()\n"
"""Leaves the model as it was built, and spoils the rows that it was given."""
REAL_ROWS = """
def predict(model, inputs):
    if len(inputs) > 2:  # a model is tried on two rows first
        BODY
    return model(inputs)
"""


def sliced(report: WorkerReport) -> TrainSlice:
    assert report.failure is None, report.failure
    assert report.no_train_slice_because == ""
    assert report.train_slice is not None
    return report.train_slice


def wide(rows: int) -> Data:
    """More rows than a slice holds, the ones beyond it of another kind."""
    data = blobs(rows)
    data.inputs[caps.TRAIN_SLICE_ROWS :] *= 100
    return data


def test_it_is_what_the_predict_room_says_of_the_same_rows(tmp_path: Path) -> None:
    """Neither augmentation, label smoothing nor dropout is in it, all of which the training loss has."""
    room = Room(tmp_path, images(), NOISY)
    report = room.train(epochs=4)
    found = sliced(report)
    assert room.predict().failure is None
    chances = torch.softmax(room.predictions().double(), 1).numpy()
    assert found.rows == 48
    assert found.loss == pytest.approx(log_loss(room.data.targets, chances), rel=1e-4)
    assert found.accuracy == pytest.approx(accuracy_score(room.data.targets, chances.argmax(1)))
    assert found.r2 is None
    assert found.loss < report.train_loss[-1]


@pytest.mark.parametrize("columns", [1, 2])
def test_regression_is_told_in_the_targets_own_units(tmp_path: Path, columns: int) -> None:
    room = Room(tmp_path, line(columns=columns))
    found = sliced(room.train(epochs=3, lr=0.05))
    assert room.predict().failure is None
    values = room.predictions().numpy()
    assert found.loss == pytest.approx(root_mean_squared_error(room.data.targets, values), rel=1e-4)
    assert found.r2 == pytest.approx(r2_score(room.data.targets, values), rel=1e-4)
    assert found.accuracy is None
    assert found.loss > 1


def test_a_candidates_own_train_and_predict_are_asked_as_when_predicting(tmp_path: Path) -> None:
    source = LINEAR.replace("return nn", "return Net(nn").replace("num_outputs))", "num_outputs)))") + (
        "\nclass Net(nn.Module):\n    def __init__(self, net):\n        super().__init__()\n        self.net = net\n"
        "    def forward(self, x):\n        return self.net(x), 'more'\n"
        "\ndef train(model, data, context):\n"
        "    nn.init.zeros_(model.net[1].weight); nn.init.constant_(model.net[1].bias, 250.0)\n"
        "\ndef predict(model, inputs):\n    assert not model.training\n    return 2 * model(inputs)[0]\n"
    )
    room = Room(tmp_path, line(), source)
    found = sliced(room.train())
    expected = root_mean_squared_error(room.data.targets, np.full_like(room.data.targets, 500.0))
    assert found.loss == pytest.approx(expected, rel=1e-5)


def test_it_is_the_first_rows_of_the_file_as_they_lie_there_for_every_seed(tmp_path: Path) -> None:
    data = wide(caps.TRAIN_SLICE_ROWS + 300)
    found = []
    for order in (3, 4):
        room = Room(tmp_path / str(order), data, STILL)
        found.append(sliced(room.train(order=order)))
        assert room.predict().failure is None
    first = room.predictions()[: caps.TRAIN_SLICE_ROWS]
    assert found[0] == found[1] == train_slice(first, torch.from_numpy(data.targets[: len(first)]), data.task)
    assert found[0].rows == caps.TRAIN_SLICE_ROWS


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("raise ValueError('not here')", "not here"),
        ("raise SystemExit(3)", "SystemExit"),
        ("return model(inputs) / 0", "NaN or infinite"),
        ("return model(inputs)[:, :1]", "gave shape"),
    ],
)
def test_what_fails_there_is_no_failure_of_the_seed(tmp_path: Path, body: str, why: str) -> None:
    room = Room(tmp_path, blobs(), LINEAR + REAL_ROWS.replace("BODY", body))
    report = room.train()
    assert report.failure is None
    assert report.train_slice is None
    assert why in report.no_train_slice_because
    assert room.weights.is_file()


def test_what_a_candidate_does_to_its_model_there_is_not_in_its_weights(tmp_path: Path) -> None:
    plain, spoilt = Room(tmp_path / "a", blobs()), Room(tmp_path / "b", blobs())
    spoilt.write_source(LINEAR + REAL_ROWS.replace("BODY", "model[1].weight.zero_()"))
    assert sliced(plain.train()) != sliced(spoilt.train())
    assert plain.weights.read_bytes() == spoilt.weights.read_bytes()


def test_a_report_is_left_before_a_model_is_asked_whose_process_may_not_live_on(tmp_path: Path) -> None:
    room = Room(tmp_path, blobs(), LINEAR + REAL_ROWS.replace("BODY", "open('/dev/null/x')"))
    left: list[tuple[WorkerReport, bool]] = []
    request = TrainRequest(
        **room.data.job(0, 0), inputs=spec(room.data.inputs), targets=spec(room.data.targets), overrides={"epochs": 2}
    )
    report = train_seed(
        request, 0, room.folders, started=monotonic(), leave=lambda r: left.append((r, room.weights.is_file()))
    )
    ((early, weights),) = left
    assert weights
    assert early == report.model_copy(update={"no_train_slice_because": ""})
    assert early.epochs == 2
    assert "/dev/null/x" in report.no_train_slice_because


def test_it_is_left_out_where_the_deadline_is_near(tmp_path: Path) -> None:
    report = Room(tmp_path, blobs()).train(job={"deadline_s": 1e-6})
    assert report.failure is None
    assert report.train_slice is None
    assert "the deadline was near after 0 of 96 rows" in report.no_train_slice_because


@pytest.mark.parametrize(
    ("outputs", "targets", "task", "expected"),
    [
        ([[1.0], [2.0]], [[5.0], [5.0]], Task.REGRESSION, {"r2": None}),
        ([[3e38], [2.0]], [[1.0], [5.0]], Task.REGRESSION, {"rows": 2}),
        ([[900.0, 0.0], [0.0, 900.0]], [1, 0], Task.CLASSIFICATION, {"accuracy": 0.0, "loss": 36.04365338911715}),
    ],
)
def test_extreme_answers_leave_finite_numbers_or_none(outputs: Any, targets: Any, task: Task, expected: Any) -> None:
    found = train_slice(torch.tensor(outputs), torch.tensor(targets), task)
    assert TrainSlice.model_validate_json(found.model_dump_json()) == found
    assert found.model_dump().items() >= expected.items()
