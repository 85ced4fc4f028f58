"""Seeds trained as one are the seeds that they are alone; where they cannot be, nothing is left and the reason is told.

On a CPU, where the order of sums is the only difference, so that equality can be asked for closely.
"""

from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import torch

from fumehood_runner.randomness import Draws
from fumehood_runner.seeds import predict_seed
from fumehood_runner.together import predict_together
from fumehood_shared.messages import FailureKind, PredictRequest, SeedSpec, WorkerReport
from runner.seed_room import LINEAR, Data, blobs, images, line, spec, tokens
from runner.together_room import SEEDS, SharedRoom

pytestmark = pytest.mark.runner

MLP = """
from torch import nn

def build_model(input_shape, num_outputs):
    return nn.Sequential(
        nn.Linear(input_shape[0], 16), nn.LayerNorm(16), nn.GELU(), nn.Linear(16, 16, bias=False), nn.Tanh(),
        nn.Linear(16, num_outputs),
    )
"""
CNN = """
from torch import nn

def build_model(input_shape, num_outputs):
    return nn.Sequential(
        nn.Conv2d(input_shape[0], 8, 3, padding=1), NORM, nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3), nn.SiLU(), DROPOUT, nn.Flatten(), nn.LazyLinear(num_outputs),
    )
"""
PLAIN = CNN.replace("NORM", "nn.Identity()").replace("DROPOUT", "nn.Identity()")
TRANSFORMER = """
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.after = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(0.2), nn.Linear(2 * width, width))

    def forward(self, x):
        seen = self.first(x)
        x = x + self.attention(seen, seen, seen, need_weights=False)[0]
        return x + self.after(self.second(x))

class Net(nn.Module):
    def __init__(self, length, words, classes):
        super().__init__()
        self.words = nn.Embedding(words, 16, padding_idx=0)
        self.places = nn.Parameter(torch.randn(length, 16) * 0.02)
        self.blocks = nn.Sequential(Block(16), Block(16))
        self.head = nn.Linear(16, classes)

    def forward(self, x):
        return self.head(self.blocks(self.words(x) + self.places).mean(1))

def build_model(input_shape, num_outputs, vocab_size):
    return Net(input_shape[0], vocab_size, num_outputs)
"""
TIED = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.into, self.within, self.head = nn.Linear(6, 12), nn.Linear(12, 12), nn.Linear(12, 2)

    def forward(self, x):
        hidden = self.within(self.into(x).relu()).relu()
        return self.head(self.within(hidden))
"""
SHARED = """
from torch import nn

def build_model(input_shape, num_outputs):
    first, second = nn.Linear(6, 6), nn.Linear(6, 6)
    second.weight = first.weight
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Linear(6, num_outputs))
"""


def cnn(norm: str, dropout: str = "nn.Identity()") -> str:
    return CNN.replace("NORM", norm).replace("DROPOUT", dropout)


CASES: dict[str, tuple[Data, str, dict[str, Any]]] = {
    "mlp": (blobs(), MLP, {}),
    "mlp sgd": (blobs(), MLP, {"optimizer": "sgd", "schedule": "one_cycle", "warmup_fraction": 0.3, "lr": 0.05}),
    "mlp adam without clipping": (blobs(), MLP, {"optimizer": "adam", "grad_clip": 0.0, "schedule": "constant"}),
    "mlp hard clipping": (blobs(), MLP, {"grad_clip": 0.01, "optimizer": "sgd", "lr": 1.0}),
    "a last batch of another size": (blobs(rows=50), MLP, {"batch_size": 16}),
    "a last row alone": (blobs(rows=49), MLP, {"batch_size": 16}),
    "one batch": (blobs(), MLP, {"batch_size": 500}),
    "smoothed labels": (blobs(), MLP, {"label_smoothing": 0.2}),
    "regression": (line(), MLP, {}),
    "regression of two columns": (line(columns=2), MLP, {"augment": ["noise", "mixup"]}),
    "regression as a vector": (line(), MLP.replace("num_outputs),", "num_outputs), nn.Flatten(0),"), {}),
    "cnn": (images(), PLAIN, {}),
    "group norm": (images(), cnn("nn.GroupNorm(4, 8)"), {}),
    "batch norm": (images(), cnn("nn.BatchNorm2d(8)"), {}),
    "larger images, where rounding moves values across a ReLU": (
        images(rows=128, side=32, channels=3),
        cnn("nn.BatchNorm2d(8)"),
        {"batch_size": 64, "epochs": 1},
    ),
    "batch norm without statistics": (images(), cnn("nn.BatchNorm2d(8, track_running_stats=False)"), {}),
    "dropout": (images(), cnn("nn.BatchNorm2d(8)", "nn.Dropout(0.3)"), {"augment": ["shift"]}),
    "dropout of channels": (images(), cnn("nn.Identity()", "nn.Dropout2d(0.3)"), {}),
    "dropout in place": (images(), cnn("nn.Identity()", "nn.Dropout(0.3, inplace=True)"), {}),
    "transformer": (tokens(), TRANSFORMER, {}),
    "a layer used twice": (blobs(), TIED, {}),
    "one tensor under two names": (blobs(), SHARED, {}),
    **{name: (images(), PLAIN, {"augment": [name]}) for name in ("shift", "flip", "noise", "cutout", "mixup")},
    "every augmentation": (
        images(),
        cnn("nn.BatchNorm2d(8)", "nn.Dropout(0.3)"),
        {"augment": ["shift", "flip", "noise", "cutout", "mixup"], "label_smoothing": 0.1, "batch_size": 20},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_seeds_are_together_what_they_are_alone(tmp_path: Path, name: str) -> None:
    data, source, overrides = CASES[name]
    room = SharedRoom(tmp_path, data, source, **{"batch_size": 16, **overrides})
    together, alone = room.together(), room.alone()
    for index, (among, one) in enumerate(zip(together, alone, strict=True)):
        assert (among.seeds_ran, among.alone_because, among.failure) == ("together", "", None)
        assert one.failure is None
        assert one.seeds_ran == "alone"
        assert among.train_loss == pytest.approx(one.train_loss, rel=1e-3 if "larger" in name else 1e-4)
        assert (among.summary, among.recipe, among.epochs, among.index) == (one.summary, one.recipe, one.epochs, index)
        assert among.train_slice is not None
        assert one.train_slice is not None
        assert among.train_slice.loss == pytest.approx(one.train_slice.loss, rel=0.02)
        ours, theirs = room.weights(index)
        assert ours.keys() == theirs.keys()
        for tensor in theirs:
            # What normalisation takes out again gets gradients that are rounding alone, which Adam makes as large as
            # any: such a bias, and the mean that follows it, may be elsewhere.
            loose = "Norm" in source
            free = loose and tensor in ("0.bias", "1.running_mean")
            assert torch.allclose(ours[tensor].float(), theirs[tensor].float(), rtol=2e-3, atol=2e-2 if free else 2e-4)
    losses = {report.train_loss for report in together}
    assert len(losses) == SEEDS, "the seeds are not one seed"


DECLINED: dict[str, tuple[Data, str, dict[str, Any], str]] = {
    "its own trainer": (blobs(), LINEAR + "\ndef train(model, data, context):\n    pass\n", {}, "trains itself"),
    "early stopping": (blobs(), MLP, {"early_stop_fraction": 0.2}, "early stopping"),
    "nothing to train": (
        blobs(features=2), "from torch import nn\n\ndef build_model(s, n):\n    return nn.Identity()\n", {}, "nothing",
    ),
    "values decide the way": (
        blobs(),
        LINEAR + "\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.of = nn.Linear(6, 2)\n\n    def forward(self, x):\n"
        "        return self.of(x) if x.sum() > 0 else self.of(-x)\n\ndel build_model\n",
        {},
        "vmap",
    ),
    "draws of its own": (
        blobs(),
        MLP.replace("nn.Tanh()", "Noise()").replace(
            "def build", "class Noise(nn.Module):\n    def forward(self, x):\n"
            "        return x * torch.rand_like(x)\n\ndef build").replace("from torch", "import torch\nfrom torch"),
        {},
        "random",
    ),
    **{
        f"draws from {module}": (
            blobs(),
            MLP.replace("nn.Tanh()", "Rarely()").replace(
                "def build",
                "class Rarely(nn.Module):\n    def forward(self, x):\n"
                f"        return 0 * x if {module}.random() < 1e-9 else x\n\ndef build",
            ).replace("from torch", "import random\nimport numpy\nfrom torch"),
            {},
            "draws from Python's or numpy's generator",
        )
        for module in ("random", "numpy.random")
    },
    "a seed of another shape": (
        blobs(),
        MLP.replace("from torch", "import random\nfrom torch").replace("16", "WIDE").replace(
            "def build", "WIDE = random.randint(2, 1000)\n\ndef build"),
        {},
        "differ in more than their values",
    ),
    "a recipe drawn anew": (
        blobs(), LINEAR + "\nimport random\n\nRECIPE = {'lr': random.uniform(0.001, 0.1)}\n", {}, "recipes differ",
    ),
    "a constant drawn anew": (
        blobs(),
        LINEAR + "\nSCALE = torch.rand(())\n\nclass Net(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        self.of = nn.Linear(6, 2)\n\n    def forward(self, x):\n"
        "        return self.of(x * SCALE)\n\ndel build_model\n",
        {},
        "trains otherwise among the others",
    ),
    "views of one tensor": (
        blobs(),
        LINEAR + "\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        both = torch.randn(4, 6)\n        self.one = nn.Parameter(both[:2])\n"
        "        self.other = nn.Parameter(both[2:])\n        self.whole = nn.Parameter(both)\n\n"
        "    def forward(self, x):\n        return x @ self.one.T + x @ self.other.T + (x @ self.whole.T)[:, :2]\n\n"
        "del build_model\n",
        {},
        "share memory",
    ),
    "a source that does not import": (blobs(), "import nothing_of_that_name\n", {}, "nothing_of_that_name"),
    "an end of the program": (blobs(), "raise SystemExit(3)\n", {}, "SystemExit"),
    "outputs of a wrong shape": (
        blobs(), LINEAR.replace("num_outputs))", "num_outputs + 1))"), {}, "gave shape",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DECLINED)
def test_what_cannot_be_together_is_left_to_be_alone(tmp_path: Path, name: str) -> None:
    data, source, overrides, why = DECLINED[name]
    room = SharedRoom(tmp_path, data, source, **overrides)
    for index, report in enumerate(room.together()):
        assert (report.index, report.seeds_ran, report.failure) == (index, "alone", None)
        assert why in report.alone_because
    assert room.left() == []


DIVERGING = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.of = nn.Linear(3, 1)
        self.register_buffer("gain", torch.tensor(30.0 if torch.initial_seed() == 11 else 1.0))

    def forward(self, x):
        return self.gain * self.of(x)
"""


def test_a_seed_that_overflows_is_run_alone_and_takes_none_along(tmp_path: Path) -> None:
    room = SharedRoom(tmp_path, line(), DIVERGING, optimizer="sgd", grad_clip=0.0, lr=0.05, epochs=12, batch_size=16)
    together, alone = room.together(), room.alone()
    assert [report.seeds_ran for report in together] == ["together", "alone", "together"]
    assert "among the others its loss became" in together[1].alone_because
    assert alone[1].failure is not None
    assert alone[1].failure.kind is FailureKind.NON_FINITE
    assert [path.parent.name for path in room.left()] == ["seed-0", "seed-2"]
    for index in (0, 2):
        assert together[index].train_loss == pytest.approx(alone[index].train_loss, rel=1e-3)
        ours, theirs = room.weights(index)
        assert all(torch.allclose(ours[name], theirs[name], atol=1e-4) for name in theirs)


class Predicting:
    """A predict room of three seeds that were trained alone."""

    def __init__(self, root: Path, source: str) -> None:
        self.trained = SharedRoom(root, images(), source)
        assert all(report.failure is None for report in self.trained.alone())
        self.exchange = self.trained.alone_in.predict_exchange
        self.folders = replace(self.trained.alone_in.folders, exchange=self.exchange)
        data = self.trained.alone_in.data
        job: dict[str, Any] = data.job(0, 0) | {"seeds": self.trained.request.seeds, "threads": SEEDS}
        self.request = PredictRequest(**job, inputs=spec(data.inputs), batch_size=20, handed_over=tuple(range(SEEDS)))

    def together(self) -> list[WorkerReport]:
        return predict_together(self.request, self.folders, started=monotonic())

    def predictions(self) -> list[bytes | None]:
        files = [self.exchange / f"out/seed-{k}/predictions.bin" for k in range(SEEDS)]
        return [file.read_bytes() if file.exists() else None for file in files]


def test_seeds_predict_in_one_process_what_they_predict_alone(tmp_path: Path) -> None:
    room = Predicting(tmp_path, cnn("nn.BatchNorm2d(8)", "nn.Dropout(0.3)"))
    for index, report in enumerate(room.together()):
        assert (report.index, report.seeds_ran, report.failure) == (index, "together", None)
    together = room.predictions()
    assert len(set(together)) == SEEDS
    for index in range(SEEDS):
        assert predict_seed(room.request, index, room.folders, started=monotonic()).failure is None
    assert room.predictions() == together


def test_a_candidate_that_predicts_itself_does_so_in_a_process_for_each_seed(tmp_path: Path) -> None:
    room = Predicting(tmp_path, PLAIN + "\ndef predict(model, inputs):\n    return model(inputs)\n")
    reports = room.together()
    assert [(r.seeds_ran, r.alone_because) for r in reports] == [("alone", "the candidate predicts itself")] * SEEDS


def test_a_seed_that_cannot_predict_is_left_to_fail_alone(tmp_path: Path) -> None:
    room = Predicting(tmp_path, PLAIN)
    (room.folders.handover / "seed-1/weights.safetensors").write_bytes(b"nothing of the kind")
    reports = room.together()
    assert [report.seeds_ran for report in reports] == ["together", "alone", "together"]
    assert "not a safetensors file" in reports[1].alone_because
    assert [found is None for found in room.predictions()] == [False, True, False]


@pytest.mark.parametrize(("device", "seeds", "may"), [("cuda", 2, True), ("cuda", 1, False), ("cpu", 3, False)])
def test_only_several_seeds_on_a_gpu_are_tried_together(device: str, seeds: int, may: bool) -> None:
    job: dict[str, Any] = blobs().job(0, 0) | {
        "device": device,
        "seeds": tuple(SeedSpec(seed=k, order=k) for k in range(seeds)),
    }
    assert PredictRequest(**job, inputs=spec(blobs().inputs)).may_run_together is may


def test_draws_go_on_where_they_were_and_disturb_no_others() -> None:
    torch.manual_seed(3)
    first = Draws(torch.device("cpu"))
    expected = torch.rand(4)
    copy = first.again()
    with first:
        head = torch.rand(2)
    torch.rand(100)
    with first:
        tail = torch.rand(2)
    assert torch.equal(torch.cat([head, tail]), expected)
    with copy:
        assert torch.equal(torch.rand(4), expected)
