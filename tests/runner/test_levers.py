"""What makes training fast is on, as a candidate can see it: memory order, unfilled memory, nothing left to load."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fumehood_runner.trainer import batch_sizes
from fumehood_shared.messages import FailureKind
from runner.seed_room import Room, blobs, images

pytestmark = pytest.mark.runner

NOTING = """
import torch
from torch import nn

class Noting(nn.Module):
    \"\"\"Counts, by mode (0: asked, 1: trained), its batches, and those in which WHAT holds.\"\"\"

    def __init__(self, size):
        super().__init__()
        self.body = BODY
        self.register_buffer("seen", torch.zeros(2, 2))

    def forward(self, x):
        y = self.body(x)
        if len(x) > 2:  # more than a dummy batch
            self.seen[int(self.training)] += torch.tensor([1.0, float(WHAT)], device=x.device)
        return y

def build_model(input_shape, num_outputs):
    return Noting(torch.Size(input_shape).numel())

def predict(model, batch):
    return model(batch)
"""
CONVOLUTIONS = "nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))"
LINEAR = "nn.Linear(size, 2)"


def noting(body: str, what: str, *, own_predict: bool = True) -> str:
    source = NOTING.replace("BODY", body).replace("WHAT", what)
    return source if own_predict else source[: source.index("def predict")]


def seen(room: Room) -> list[list[float]]:
    """Of a seed that trained: batches by mode, and those of them in which it held."""
    noted: list[list[float]] = load_file(room.weights)["seen"].tolist()
    return noted


def test_a_convolutional_model_is_trained_and_asked_in_channels_last_order(tmp_path: Path) -> None:
    last = "x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()"
    room = Room(tmp_path, images(channels=3), noting(CONVOLUTIONS, last, own_predict=False))
    assert room.train(epochs=2, batch_size=16).failure is None
    assert seen(room) == [[0, 0], [6, 6]]
    source = noting(CONVOLUTIONS, "False", own_predict=False).replace("return y", f"return y * float({last})")
    asked = Room(tmp_path / "asked", images(channels=3), source)
    assert asked.train(epochs=1).failure is None
    assert asked.predict().failure is None
    assert asked.predictions().abs().sum(1).min() > 0, "a batch came in another order, and its outputs were made 0"


def test_after_the_first_step_fresh_memory_is_not_filled_any_more(tmp_path: Path) -> None:
    filled = "torch.utils.deterministic.fill_uninitialized_memory and torch.are_deterministic_algorithms_enabled()"
    room = Room(tmp_path, blobs(), noting(LINEAR, filled))
    report = room.train(epochs=3, batch_size=16)
    assert report.failure is None
    steps = 3 * len(batch_sizes(96, 16))
    assert seen(room)[1] == [steps, 1]
    assert torch.utils.deterministic.fill_uninitialized_memory


@pytest.mark.parametrize("when", ["self.training", "not self.training and len(x) > 2"])
def test_a_model_that_reads_what_nobody_wrote_fails_and_does_not_depend_on_chance(tmp_path: Path, when: str) -> None:
    """In training, and when it is asked; 2 rows are the dummy batch, of which shapes are judged and not values."""
    source = noting(LINEAR, "False", own_predict=False).replace(
        "return y", f"return y + torch.empty(len(x), 2) if {when} else y"
    )
    room = Room(tmp_path, blobs(), source)
    report = room.train(epochs=1)
    if "not" in when:
        assert report.failure is None
        report = room.predict()
    assert report.failure is not None
    assert report.failure.kind is FailureKind.NON_FINITE


WARMED = """
import json, sys
from pathlib import Path
from runner.seed_room import Room, images
from runner.test_training import CNN
from fumehood_runner.seeds import warm_up

warm_up()
loaded = set(sys.modules)
room = Room(Path(sys.argv[1]), images(), CNN)
assert room.train().failure is None
assert room.predict().failure is None
print(json.dumps(sorted(set(sys.modules) - loaded)))
"""


def test_a_warm_worker_has_nothing_left_to_load_but_the_candidate(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WARMED, str(tmp_path)],
        env={"PYTHONPATH": ":".join(path for path in sys.path if path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert json.loads(done.stdout) == ["model"]
