"""The standard trainer: repeatable, learning under every setting, stopping when it should."""

from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from sklearn.datasets import load_digits
from torch import nn

from fumehood_runner import augment
from fumehood_runner.optimization import lr_factor, make_optimizer
from fumehood_runner.randomness import row_order
from fumehood_shared import caps
from fumehood_shared.messages import InputKind, Recipe, SeedSpec, WorkerReport
from runner.seed_room import LINEAR, Data, Room, blobs, images, line, tokens

pytestmark = pytest.mark.runner

CNN = """
from torch import nn

RECIPE = {"lr": 3e-3, "batch_size": 32, "epochs": 2}

def build_model(input_shape, num_outputs):
    return nn.Sequential(
        nn.Conv2d(input_shape[0], 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.1), nn.LazyLinear(num_outputs),
    )
"""


def succeeded(report: WorkerReport) -> WorkerReport:
    assert report.failure is None, report.failure
    return report


def trained(root: Path, data: Data, source: str, **arguments: Any) -> bytes:
    room = Room(root, data, source)
    succeeded(room.train(**arguments))
    weights: bytes = room.weights.read_bytes()
    return weights


def test_the_same_seed_order_and_source_give_the_same_bits(tmp_path: Path) -> None:
    changes = {"augment": ["shift", "flip", "noise", "cutout", "mixup"]}
    first = trained(tmp_path / "a", images(), CNN, seed=5, order=6, **changes)
    torch.rand(17)
    assert trained(tmp_path / "b", images(), CNN, seed=5, order=6, **changes) == first


def test_another_seed_starts_from_other_weights(tmp_path: Path) -> None:
    frozen = CNN + "\ndef train(model, data, context):\n    pass\n"
    assert trained(tmp_path / "a", images(), frozen, seed=1) != trained(tmp_path / "b", images(), frozen, seed=2)
    assert trained(tmp_path / "c", images(), frozen, seed=1) == trained(tmp_path / "d", images(), frozen, seed=1)


def test_another_order_shows_the_same_rows_in_another_order(tmp_path: Path) -> None:
    data = blobs(rows=12)
    source = LINEAR + (
        "\ndef build_model(s, n):\n    model = nn.Linear(6, n)\n"
        "    model.register_buffer('seen', torch.zeros(12, 7))\n    return model\n"
        "\ndef train(model, data, context):\n"
        "    model.seen.copy_(torch.cat([data.inputs, data.targets[:, None].float()], 1))\n"
    )
    for order in (3, 4):
        room = Room(tmp_path / str(order), data, source)
        succeeded(room.train(order=order))
        expected = torch.cat([torch.from_numpy(data.inputs), torch.from_numpy(data.targets)[:, None].float()], 1)
        permutation = row_order(SeedSpec(seed=0, order=order), 12)
        assert torch.equal(load_file(room.weights)["seen"], expected[permutation])
    assert not torch.equal(row_order(SeedSpec(seed=0, order=3), 12), row_order(SeedSpec(seed=0, order=4), 12))


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
@pytest.mark.parametrize(("optimizer", "lr"), [("adamw", 0.03), ("adam", 0.03), ("sgd", 0.3)])
def test_every_optimizer_and_schedule_learns(tmp_path: Path, optimizer: str, lr: float, schedule: str) -> None:
    room = Room(tmp_path, blobs())
    report = succeeded(room.train(optimizer=optimizer, lr=lr, schedule=schedule, epochs=12, batch_size=16))
    assert report.train_loss[-1] < 0.5 * report.train_loss[0]
    assert report.epochs == len(report.train_loss) == 12
    succeeded(room.predict())
    assert room.accuracy() > 0.9


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
@pytest.mark.parametrize("steps", [1, 2, 7, 1000])
def test_the_learning_rate_rises_to_its_peak_and_never_leaves_its_range(schedule: Any, steps: int) -> None:
    recipe = Recipe(schedule=schedule, warmup_fraction=0.3)
    factors = [lr_factor(recipe, step, steps) for step in range(steps)]
    assert max(factors) == 1.0
    assert min(factors) > 0
    warm = round(0.3 * steps)
    assert factors[:warm] == sorted(factors[:warm])
    assert factors[warm:] == sorted(factors[warm:], reverse=True)
    if schedule != "constant" and steps == 1000:
        assert factors[-1] < 1e-4


def test_biases_norms_and_shared_weights_are_grouped_once() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.LayerNorm([2, 6, 6]), nn.Linear(6, 6), nn.Linear(6, 6))
    model[3].weight = model[2].weight
    decay = {id(p): g["weight_decay"] for g in make_optimizer(model, Recipe()).param_groups for p in g["params"]}
    expected = {n: 0.01 if n in ("0.weight", "2.weight") else 0.0 for n, _ in model.named_parameters()}
    assert {n: decay[id(p)] for n, p in model.named_parameters()} == expected


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_a_step_is_torchs_own_in_whatever_order_of_memory(optimizer: Any) -> None:
    """Also for a parameter with gaps, whose elements do not lie in memory as those of its gradient do."""

    def model(gaps: bool) -> nn.Sequential:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3), nn.Flatten(), nn.Linear(32, 2))
        net[0].weight = nn.Parameter(net[0].weight.detach().clone(memory_format=torch.channels_last))
        if gaps:
            net[3].weight = nn.Parameter(torch.randn(32, 4)[:, ::2].T)
        return net

    for gaps in (False, True):
        ours, plain = model(gaps), model(gaps)
        recipe = Recipe(optimizer=optimizer, lr=0.01)
        step = make_optimizer(ours, recipe)
        theirs = make_optimizer(plain, recipe)
        for group in theirs.param_groups:
            group["fused"], group["foreach"] = None, False
        for _ in range(3):
            for net, stepper in ((ours, step), (plain, theirs)):
                stepper.zero_grad()
                net(torch.linspace(-1, 1, 6 * 3 * 64).view(6, 3, 8, 8)).square().mean().backward()
                stepper.step()
        for one, other in zip(ours.parameters(), plain.parameters(), strict=True):
            assert torch.allclose(one, other, atol=1e-6)
        assert bool(step.param_groups[0]["fused"]) is not gaps


@pytest.mark.parametrize("name", ["shift", "flip", "noise", "cutout"])
def test_an_augmentation_changes_values_and_nothing_else(name: str) -> None:
    torch.manual_seed(0)
    batch = torch.randn(16, 3, 9, 12)
    before = batch.clone()
    changed = augment.augmented(batch, (name,))
    assert (changed.shape, changed.dtype) == (batch.shape, batch.dtype)
    assert torch.equal(batch, before)
    assert not torch.equal(changed, batch)
    assert len({tuple(row.flatten().tolist()) for row in changed - batch}) > 1, "every row is treated alike"


def test_a_shift_moves_pixels_by_at_most_an_eighth() -> None:
    ramp = torch.arange(16.0).expand(64, 1, 16, 16)
    moved = augment.shift(ramp) - ramp
    assert moved.abs().max() == 2
    assert set(moved[:, 0, 5, 8].tolist()) == {-2.0, -1.0, 0.0, 1.0, 2.0}


def test_a_flip_mirrors_about_half_of_the_rows() -> None:
    torch.manual_seed(0)
    batch = torch.randn(200, 1, 4, 4)
    flipped = augment.flip(batch)
    mirrored = sum(torch.equal(a, b.flip(-1)) for a, b in zip(flipped, batch, strict=True))
    kept = sum(torch.equal(a, b) for a, b in zip(flipped, batch, strict=True))
    assert mirrored + kept == 200
    assert 70 < mirrored < 130


def test_a_cutout_removes_one_whole_square() -> None:
    holes = (augment.cutout(torch.ones(32, 2, 16, 16)) == 0).flatten(1).sum(1)
    assert holes.tolist() == [2 * 4 * 4] * 32


def test_mixup_blends_rows_with_the_weight_it_returns() -> None:
    batch = torch.randn(8, 5)
    mixed, other, weight = augment.mixup(batch)
    assert 0 <= weight <= 1
    assert torch.allclose(mixed, weight * batch + (1 - weight) * batch[other], atol=1e-6)


@pytest.mark.parametrize("names", [["shift", "flip", "cutout"], ["noise"], ["mixup"]])
def test_augmented_training_learns(tmp_path: Path, names: list[str]) -> None:
    room = Room(tmp_path, images(rows=96), CNN)
    report = succeeded(room.train(epochs=8, augment=names))
    assert report.recipe is not None
    assert report.recipe.augment == tuple(names)
    succeeded(room.predict())
    assert room.accuracy() > 0.9


def test_mixup_and_noise_work_for_regression(tmp_path: Path) -> None:
    room = Room(tmp_path, line())
    report = succeeded(room.train(epochs=30, augment=["noise", "mixup"], lr=0.05))
    assert report.train_loss[-1] < 0.3 * report.train_loss[0]


def test_overrides_win_over_the_recipe_and_the_recipe_over_defaults(tmp_path: Path) -> None:
    report = succeeded(Room(tmp_path, images(), CNN).train(batch_size=7, epochs=1))
    assert report.recipe == Recipe(lr=3e-3, batch_size=7, epochs=1)


def test_early_stopping_keeps_the_weights_of_the_best_epoch(tmp_path: Path) -> None:
    noisy = blobs(rows=60, features=40)
    wide = LINEAR.replace("nn.Linear(", "nn.LazyLinear(128), nn.ReLU(), nn.LazyLinear(").replace(
        "torch.Size(input_shape).numel(), ", ""
    )
    settings: dict[str, Any] = {"epochs": 200, "lr": 0.02, "early_stop_fraction": 0.4, "schedule": "constant"}
    stopped = Room(tmp_path / "stopped", noisy, wide)
    report = succeeded(stopped.train(early_stop_patience=5, **settings))
    best = min(range(report.epochs), key=report.held_out_loss.__getitem__)
    assert report.epochs == best + 1 + 5 < 200
    assert len(report.held_out_loss) == report.epochs
    patient = Room(tmp_path / "patient", noisy, wide)
    longer = succeeded(patient.train(early_stop_patience=9, **settings))
    assert longer.epochs == report.epochs + 4
    assert stopped.weights.read_bytes() == patient.weights.read_bytes()


@pytest.mark.parametrize(("rows", "batch"), [(33, 32), (65, 32), (33, 33), (34, 32)])
def test_a_last_row_alone_does_not_break_batch_norm(tmp_path: Path, rows: int, batch: int) -> None:
    source = LINEAR.replace("nn.Linear(", "nn.LazyBatchNorm1d(), nn.Linear(")
    succeeded(Room(tmp_path, blobs(rows=rows), source).train(batch_size=batch))


def test_training_ends_softly_before_the_deadline(tmp_path: Path) -> None:
    room = Room(tmp_path, blobs())
    began = monotonic()
    report = succeeded(room.train(epochs=100_000, job={"deadline_s": 3.0}))
    assert monotonic() - began < 3.0
    assert 1 < report.epochs < 100_000
    assert len(report.train_loss) == min(report.epochs, caps.CURVE_POINTS)
    assert room.weights.exists()


def test_an_image_model_that_calls_view_trains_as_well(tmp_path: Path) -> None:
    source = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8 * 36, 2)

    def forward(self, x):
        x = self.norm(self.conv(x)).relu()
        return self.head(x.view(x.size(0), -1))
"""
    room = Room(tmp_path, images(), source)
    succeeded(room.train(epochs=3))
    assert load_file(room.weights)["norm.num_batches_tracked"] == 3, "the trial of a memory order left a trace"


def test_a_model_that_writes_into_its_inputs_spoils_no_data(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"epochs": 6, "early_stop_fraction": 0.3, "lr": 0.05}
    source = CNN.replace("nn.Conv2d(input_shape[0]", "nn.LeakyReLU(0.1, inplace=IN_PLACE), nn.Conv2d(input_shape[0]")
    writing = succeeded(Room(tmp_path / "a", images(), source.replace("IN_PLACE", "True")).train(**settings))
    reading = succeeded(Room(tmp_path / "b", images(), source.replace("IN_PLACE", "False")).train(**settings))
    assert writing.held_out_loss == reading.held_out_loss
    assert writing.train_loss == reading.train_loss


def test_a_scripted_model_trains_and_predicts(tmp_path: Path) -> None:
    room = Room(tmp_path, blobs(), LINEAR.replace("return nn", "return torch.jit.script(nn").rstrip() + ")")
    report = succeeded(room.train(epochs=12, lr=0.03))
    assert report.train_loss[-1] < report.train_loss[0]
    succeeded(room.predict())


def test_tokens_train_with_a_vocabulary(tmp_path: Path) -> None:
    source = """
from torch import nn

def build_model(input_shape, num_outputs, vocab_size):
    return nn.Sequential(nn.Embedding(vocab_size, 8, padding_idx=0), nn.Flatten(), nn.LazyLinear(num_outputs))
"""
    room = Room(tmp_path, tokens(), source)
    report = succeeded(room.train(epochs=30, lr=0.03))
    assert report.summary is not None
    assert report.summary.layers[0].output_shape == "N x 5 x 8"
    succeeded(room.predict())
    assert room.accuracy() > 0.9


def test_a_model_with_nothing_to_train_is_left_as_it_is(tmp_path: Path) -> None:
    room = Room(
        tmp_path, blobs(features=2), "from torch import nn\n\ndef build_model(s, n):\n    return nn.Identity()\n"
    )
    assert succeeded(room.train()).epochs == 0
    assert load_file(room.weights) == {}
    succeeded(room.predict())
    assert torch.equal(room.predictions(), torch.from_numpy(room.data.inputs))


def test_a_small_cnn_reads_digits(tmp_path: Path) -> None:
    digits = load_digits()
    inputs = ((digits.images[:, None] - 4.9) / 6.0).astype("<f4")
    seen = Data(inputs[:1200], digits.target[:1200].astype("<i8"), kind=InputKind.IMAGE, num_outputs=10)
    unseen = Data(inputs[1200:], digits.target[1200:].astype("<i8"), kind=InputKind.IMAGE, num_outputs=10)
    room = Room(tmp_path, seen, CNN)
    report = succeeded(room.train(epochs=6, augment=["shift"]))
    assert report.started_after_s < 5
    room.data = unseen
    unseen.inputs.tofile(room.predict_exchange / "in" / "inputs.bin")
    succeeded(room.predict())
    assert room.accuracy() > 0.93
