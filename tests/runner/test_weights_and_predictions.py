"""What crosses from the train room to the predict room, and what comes out there."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from fumehood_runner.seeds import warm_up
from fumehood_runner.weights import owners_of
from fumehood_shared import caps
from fumehood_shared.messages import FailureKind, WorkerReport
from runner.seed_room import LINEAR, Room, blobs, images, line

pytestmark = pytest.mark.runner

TIED = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.full((6,), 2.0))
        self.first = nn.Linear(6, 6)
        self.second = nn.Linear(6, 6, bias=False)
        self.second.weight = self.first.weight
        self.norm = nn.BatchNorm1d(6)
        self.head = nn.LazyLinear(2)

    def forward(self, x):
        return self.head(self.norm(self.second(torch.relu(self.first(x * self.scale)))))

    def score(self, x):
        return self.forward(x)
"""


def succeeded(report: WorkerReport) -> WorkerReport:
    assert report.failure is None, report.failure
    return report


def failure(report: WorkerReport) -> tuple[FailureKind, str]:
    assert report.failure is not None
    return report.failure.kind, report.failure.message


def test_predictions_are_those_of_the_trained_model(tmp_path: Path) -> None:
    """The candidate keeps its own trained outputs in a buffer; they have to come back from the other room."""
    source = TIED.replace("self.head = ", "self.register_buffer('mine', torch.zeros(50, 2)); self.head = ") + (
        "\ndef train(model, data, context):\n"
        "    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
        "    for _ in range(5):\n"
        "        loss = nn.functional.cross_entropy(model(data.inputs), data.targets)\n"
        "        optimizer.zero_grad(); loss.backward(); optimizer.step()\n"
        "    model.eval()\n"
        "    with torch.no_grad(): model.mine.copy_(model(data.inputs))\n"
    )
    room = Room(tmp_path, blobs(rows=50), source)
    report = succeeded(room.train(order=9))
    assert report.own_train
    assert report.recipe is None
    assert report.epochs == 0
    succeeded(room.predict())
    order = torch.randperm(50, generator=torch.Generator().manual_seed(9))
    assert torch.allclose(room.predictions()[order], load_file(room.weights)["mine"], atol=1e-5)


def test_shared_tensors_are_written_once_and_shared_again(tmp_path: Path) -> None:
    room = Room(tmp_path, blobs(), TIED)
    report = succeeded(room.train(epochs=5))
    found = load_file(room.weights)
    assert "first.weight" in found
    assert "second.weight" not in found
    assert {"scale", "norm.running_mean", "norm.num_batches_tracked"} <= found.keys()
    with safe_open(room.weights, "pt") as file:
        assert file.metadata() is None
    assert report.summary is not None
    assert report.summary.parameters == 36 + 6 + 12 + 14
    assert report.summary.bytes == 4 * (report.summary.parameters + 6 + 12) + 8
    succeeded(room.predict())
    assert room.accuracy() > 0.5


def test_a_tensor_inside_another_belongs_to_it() -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    state = {"row": whole[1], "whole": whole, "again": whole.t(), "every_other": whole.flatten()[::2], "own": whole + 0}
    assert owners_of(state) == {
        "row": "whole",
        "whole": "whole",
        "again": "whole",
        "every_other": "whole",
        "own": "own",
    }


def test_views_and_transposed_parameters_cross(tmp_path: Path) -> None:
    source = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, 6).t())
        self.register_buffer("pair", torch.randn(4, 6))
        self.register_buffer("upper", self.pair[:2])

    def forward(self, x):
        return x @ self.weight + x @ self.upper.t()
"""
    room = Room(tmp_path, blobs(), source)
    succeeded(room.train())
    assert set(load_file(room.weights)) == {"weight", "pair"}
    succeeded(room.predict(seed=1))
    weights = load_file(room.weights)
    inputs = torch.from_numpy(room.data.inputs)
    expected = inputs @ weights["weight"] + inputs @ weights["pair"][:2].t()
    assert torch.allclose(room.predictions(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w | {"extra": torch.ones(1)}, "extra"),
        (lambda w: {k: v for k, v in w.items() if k != "1.bias"}, "lack 1.bias"),
        (lambda w: w | {"1.bias": torch.ones(3)}, "1.bias has shape (3,)"),
    ],
)
def test_weights_that_do_not_match_the_source_are_refused(tmp_path: Path, change: object, words: str) -> None:
    room = Room(tmp_path, blobs())
    succeeded(room.train())
    assert callable(change)
    save_file(change(load_file(room.weights)), room.weights)
    kind, message = failure(room.predict())
    assert kind is FailureKind.INTERFACE
    assert words in message


def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path) -> None:
    room = Room(tmp_path, blobs())
    succeeded(room.train())
    room.weights.write_bytes(b"\xff" * 100)
    assert failure(room.predict())[0] is FailureKind.INTERFACE


def test_weights_of_an_untied_model_do_not_slip_into_a_tied_one(tmp_path: Path) -> None:
    room = Room(tmp_path, blobs(), TIED)
    succeeded(room.train())
    save_file(load_file(room.weights) | {"second.weight": torch.ones(6, 6)}, room.weights)
    kind, message = failure(room.predict())
    assert kind is FailureKind.INTERFACE
    assert "trained value" in message


@pytest.mark.parametrize("columns", [1, 2])
def test_regression_comes_back_in_its_own_units(tmp_path: Path, columns: int) -> None:
    room = Room(tmp_path, line(columns=columns))
    report = succeeded(room.train(epochs=60, lr=0.05))
    assert report.train_loss[-1] < 0.01, "fitted in standardised units"
    succeeded(room.predict())
    assert (room.predictions() - torch.from_numpy(room.data.targets)).abs().mean() < 4


def test_a_regression_model_may_leave_out_the_column(tmp_path: Path) -> None:
    source = (
        "from torch import nn\n\ndef build_model(s, n):\n    return nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))\n"
    )
    room = Room(tmp_path, line(), source)
    succeeded(room.train(epochs=60, lr=0.05))
    succeeded(room.predict())
    assert (room.predictions() - torch.from_numpy(room.data.targets)).abs().mean() < 4


def test_own_predict_sees_own_units_and_the_models_attributes(tmp_path: Path) -> None:
    source = LINEAR.replace("return nn.Seq", "model = nn.Seq").rstrip() + "\n    model.factor = 2\n    return model\n"
    source += "\ndef predict(model, inputs):\n    return model.factor * model(inputs)\n"
    room = Room(tmp_path, line(), source)
    assert succeeded(room.train(epochs=60, lr=0.05)).own_predict
    assert succeeded(room.predict()).own_predict
    assert (room.predictions() - 2 * torch.from_numpy(room.data.targets)).abs().mean() < 8


def test_own_train_for_regression_works_in_own_units(tmp_path: Path) -> None:
    source = LINEAR + (
        "\ndef train(model, data, context):\n"
        "    assert data.targets.shape == (96, 1) and data.targets.mean() > 400\n"
        "    assert context.num_outputs == 1 and 0 < context.deadline_s <= 100 and context.seed == 0\n"
        "    assert context.device == data.inputs.device\n"
        "    nn.init.zeros_(model[1].weight); nn.init.constant_(model[1].bias, 500.0)\n"
        "    return model\n"
    )
    room = Room(tmp_path, line(), source)
    succeeded(room.train())
    succeeded(room.predict())
    assert torch.equal(room.predictions(), torch.full((96, 1), 500.0))


def test_own_train_is_told_the_settings_that_the_user_asked_for(tmp_path: Path) -> None:
    source = LINEAR + (
        "\nRECIPE = {'lr': 0.5}\n"
        "\ndef train(model, data, context):\n"
        "    assert dict(context.overrides) == {'epochs': 7, 'augment': ('noise',)}, context.overrides\n"
        "    context.overrides['epochs'] = 1\n"
    )
    kind, message = failure(Room(tmp_path, blobs(), source).train(epochs=7, augment=["noise"]))
    assert kind is FailureKind.CRASHED
    assert "does not support item assignment" in message


def test_own_train_and_predict_are_free_in_what_forward_returns(tmp_path: Path) -> None:
    source = TIED.replace("return self.head(", "return 1, self.head(") + (
        "\ndef train(model, data, context):\n    return model\n"
        "\ndef predict(model, inputs):\n    return model(inputs)[1]\n"
    )
    room = Room(tmp_path, blobs(), source)
    succeeded(room.train())
    succeeded(room.predict(batch_size=1))


def test_predicting_leaves_no_trace_of_the_batch_size(tmp_path: Path) -> None:
    room = Room(tmp_path, images(), CNN_WITH_NORM)
    succeeded(room.train())
    succeeded(room.predict(batch_size=1))
    alone = room.predictions()
    succeeded(room.predict(batch_size=48))
    assert torch.allclose(alone, room.predictions(), atol=1e-5)


CNN_WITH_NORM = """
from torch import nn

def build_model(input_shape, num_outputs):
    return nn.Sequential(
        nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.LazyLinear(num_outputs)
    )
"""


def test_the_summary_lists_layers_in_order_and_counts_what_it_leaves_out(tmp_path: Path) -> None:
    report = succeeded(Room(tmp_path / "a", images(), CNN_WITH_NORM).train())
    assert report.summary is not None
    rows = [(row.type, row.output_shape, row.parameters) for row in report.summary.layers]
    assert rows[0] == ("Conv2d", "N x 4 x 6 x 6", 40)
    assert rows[-1] == ("Linear", "N x 2", 4 * 36 * 2 + 2)
    deep = "from torch import nn\n\ndef build_model(s, n):\n    layers = [nn.Linear(6, 6) for _ in range(450)]\n"
    deep += "    return nn.Sequential(*layers, nn.Linear(6, n))\n"
    summary = succeeded(Room(tmp_path / "b", blobs(), deep).train(epochs=1)).summary
    assert summary is not None
    assert len(summary.layers) == caps.SUMMARY_LAYERS
    assert summary.omitted_layers == 451 - caps.SUMMARY_LAYERS
    assert summary.parameters == 450 * 42 + 14


def test_state_that_is_no_tensor_is_refused(tmp_path: Path) -> None:
    source = LINEAR.replace("nn.Sequential(", "Net(") + (
        "\nclass Net(nn.Sequential):\n    def get_extra_state(self):\n        return 'x'\n"
        "\n    def set_extra_state(self, state):\n        pass\n"
    )
    kind, message = failure(Room(tmp_path, blobs(), source).train())
    assert kind is FailureKind.INTERFACE
    assert "_extra_state" in message


def test_warming_up_leaves_one_thread() -> None:
    torch.set_num_threads(2)
    warm_up()
    assert torch.get_num_threads() == 1
