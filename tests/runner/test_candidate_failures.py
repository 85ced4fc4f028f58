"""Every way in which a candidate can fail becomes a report with the right kind, line and words."""

import sys
from pathlib import Path

import pytest
import torch

from fumehood_shared import caps
from fumehood_shared.messages import FailureKind, WorkerReport
from runner.seed_room import LINEAR, Data, Room, blobs, images, line, tokens

pytestmark = pytest.mark.runner

NET = "import torch\nfrom torch import nn\n\ndef build_model(input_shape, num_outputs):\n    "
TRAIN = LINEAR + "\ndef train(model, data, context):\n    "

FAILURES = [
    ("def broken(:\n    pass\n", FailureKind.SYNTAX, 1, "invalid syntax"),
    ("x = 1\n  y = 2\n", FailureKind.SYNTAX, 2, "indent"),
    ("x = '\0'\n", FailureKind.SYNTAX, None, "null byte"),
    ("x = " + "-" * 50_000 + "1\n", FailureKind.SYNTAX, None, "compiled"),
    ("import torch\nimport flash_attn_9\n", FailureKind.IMPORT, 2, "flash_attn_9"),
    ("from torch import no_such_thing\n", FailureKind.IMPORT, 1, "no_such_thing"),
    ("x = 1\n", FailureKind.INTERFACE, None, "neither build_model"),
    ("#" * (caps.SOURCE_BYTES + 1), FailureKind.INTERFACE, None, "262145 bytes"),
    ("build_model = 3\n", FailureKind.INTERFACE, 1, "a int"),
    ("def build_model(shape):\n    pass\n", FailureKind.INTERFACE, 1, "cannot be called"),
    ("def build_model(s, n):\n    return {}\n", FailureKind.INTERFACE, 1, "a dict"),
    ("def build_model(s, n):\n    pass\n", FailureKind.INTERFACE, 1, "None"),
    ("MODEL = 'Absent'\n", FailureKind.INTERFACE, 1, "Absent"),
    (
        "from torch import nn\nclass One(nn.Module): pass\nclass Two(nn.Module): pass\n",
        FailureKind.INTERFACE,
        None,
        "One, Two",
    ),
    (
        "from torch import nn\nclass Net(nn.Module):\n    def __init__(self, width): pass\n",
        FailureKind.INTERFACE,
        2,
        "width",
    ),
    (LINEAR + "RECIPE = [1]\n", FailureKind.INTERFACE, 7, "list"),
    (LINEAR + "RECIPE = {'learning_rate': 1}\n", FailureKind.INTERFACE, 7, "learning_rate"),
    (LINEAR + "RECIPE = {'lr': 'fast'}\n", FailureKind.INTERFACE, 7, "'lr'"),
    (LINEAR + "RECIPE = {'schedule': 'zigzag'}\n", FailureKind.INTERFACE, 7, "zigzag"),
    (LINEAR + "RECIPE = {'augment': ['flip']}\n", FailureKind.INTERFACE, 7, "flip"),
    (LINEAR + "train = 4\n", FailureKind.INTERFACE, 7, "train"),
    (TRAIN + "return 5\n", FailureKind.INTERFACE, 8, "train returned a int"),
    (TRAIN + "return nn.Linear(3, 3)\n", FailureKind.INTERFACE, None, "structure"),
    (NET + "return nn.Linear(99, num_outputs)\n", FailureKind.SHAPE, None, "mat1"),
    (NET + "return nn.Linear(6, 7)\n", FailureKind.SHAPE, None, "(2, 7)"),
    (NET + "return nn.Sequential(nn.Unflatten(1, (2, 3)), nn.Conv2d(1, 2, 9))\n", FailureKind.SHAPE, None, ""),
    (NET + "return nn.Linear(6, 2).double()\n", FailureKind.CRASHED, None, "dtype"),
    (NET + "return nn.LSTM(6, num_outputs)\n", FailureKind.INTERFACE, None, "a tuple"),
    (
        LINEAR + "def predict(model, inputs):\n    return model(inputs).argmax(1)\n",
        FailureKind.INTERFACE,
        None,
        "int64",
    ),
    (TRAIN + "nn.init.constant_(model[1].weight, float('nan'))\n", FailureKind.NON_FINITE, None, "1.weight"),
    (NET + "raise MemoryError\n", FailureKind.OOM, 5, ""),
    (NET + "torch.empty(2**50)\n", FailureKind.OOM, 5, ""),
    (TRAIN + "raise torch.OutOfMemoryError('CUDA out of memory')\n", FailureKind.OOM, 9, "CUDA"),
    (TRAIN + "raise OSError(28, 'No space left on device')\n", FailureKind.OOM, 9, "No space"),
    (TRAIN + "raise ValueError('x' * 10**6)\n", FailureKind.CRASHED, 9, "ValueError: xxx"),
    (TRAIN + "raise ValueError('\\ud800')\n", FailureKind.CRASHED, 9, "ValueError"),
    (TRAIN + "1 / 0\n", FailureKind.CRASHED, 9, "ZeroDivisionError"),
    (TRAIN + "raise SystemExit(3)\n", FailureKind.CRASHED, 9, "SystemExit: 3"),
    (TRAIN + "raise KeyboardInterrupt\n", FailureKind.CRASHED, 9, "KeyboardInterrupt"),
    (TRAIN + "train(model, data, context)\n", FailureKind.CRASHED, 9, "RecursionError"),
    (
        "class Evil(BaseException):\n    def __str__(self): raise self\nraise Evil\n",
        FailureKind.CRASHED,
        3,
        "Evil",
    ),
]


@pytest.mark.parametrize(("source", "kind", "where", "words"), FAILURES)
def test_a_failing_candidate_is_reported_with_kind_line_and_reason(
    tmp_path: Path, source: str, kind: FailureKind, where: int | None, words: str
) -> None:
    report = Room(tmp_path, blobs(), source).train()
    assert report.failure is not None
    assert (report.failure.kind, report.failure.line) == (kind, where), report.failure
    assert words in report.failure.message
    assert WorkerReport.model_validate_json(report.model_dump_json()) == report


def test_source_that_is_not_utf8_is_a_syntax_failure(tmp_path: Path) -> None:
    room = Room(tmp_path, blobs())
    room.write_source(b"x = 1\ny = '\xff'\n")
    report = room.train()
    assert report.failure is not None
    assert (report.failure.kind, report.failure.line) == (FailureKind.SYNTAX, 2)


def test_a_diverging_loss_is_non_finite_and_keeps_the_curve(tmp_path: Path) -> None:
    report = Room(tmp_path, line()).train(lr=100.0, grad_clip=0, optimizer="sgd", schedule="constant", epochs=60)
    assert report.failure is not None
    assert report.failure.kind is FailureKind.NON_FINITE
    assert 0 < report.epochs < 60
    assert len(report.train_loss) == report.epochs


@pytest.mark.parametrize(("data", "name"), [(tokens(), "noise"), (tokens(), "mixup"), (blobs(), "cutout")])
def test_an_augmentation_that_does_not_fit_is_named(tmp_path: Path, data: Data, name: str) -> None:
    report = Room(tmp_path, data, EMBED if data.vocab_size else LINEAR).train(augment=[name])
    assert report.failure is not None
    assert report.failure.kind is FailureKind.INTERFACE
    assert name in report.failure.message


EMBED = """
from torch import nn

def build_model(input_shape, num_outputs, vocab_size):
    return nn.Sequential(nn.Embedding(vocab_size, 4), nn.Flatten(), nn.Linear(4 * input_shape[0], num_outputs))
"""


def test_a_traceback_shows_source_lines_of_the_candidate_and_nothing_of_ours(tmp_path: Path) -> None:
    source = (
        NET
        + "class Net(nn.Module):\n        def forward(self, x):\n"
        + "            return x @ torch.ones(3, 3)\n    return Net()\n"
    )
    report = Room(tmp_path, blobs(), source).train()
    assert report.failure is not None
    assert report.failure.kind is FailureKind.SHAPE
    assert report.failure.line == 7
    assert "return x @ torch.ones(3, 3)" in report.failure.traceback
    assert "torch/nn/modules/module.py" in report.failure.traceback
    assert "fumehood_runner" not in report.failure.traceback


def test_a_long_traceback_is_trimmed_to_its_end(tmp_path: Path) -> None:
    report = Room(tmp_path, blobs(), TRAIN + "raise ValueError('x' * 10**5 + 'the end')\n").train()
    assert report.failure is not None
    assert len(report.failure.traceback) == caps.TRACEBACK_CHARS
    assert report.failure.traceback.endswith("the end\n")
    assert len(report.failure.message) == caps.MESSAGE_CHARS


def test_non_finite_predictions_are_counted(tmp_path: Path) -> None:
    spoil = (
        "def predict(model, inputs):\n    out = model(inputs).clone()\n    out[:3] *= float('nan')\n    return out\n"
    )
    room = Room(tmp_path, blobs(rows=40), LINEAR + spoil)
    assert room.train().failure is None
    report = room.predict(batch_size=20)
    assert report.failure is not None
    assert report.failure.kind is FailureKind.NON_FINITE
    assert "6 of 40 rows" in report.failure.message


def test_predictions_of_the_wrong_shape_for_a_short_batch_are_refused(tmp_path: Path) -> None:
    trick = "def predict(model, inputs):\n    return model(inputs)[:7]\n"
    room = Room(tmp_path, blobs(), LINEAR + trick)
    assert room.train().failure is None
    report = room.predict(batch_size=20)
    assert report.failure is not None
    assert (report.failure.kind, "(7, 2)" in report.failure.message) == (FailureKind.SHAPE, True)


def test_a_candidate_that_mutes_gradients_on_import_still_trains(tmp_path: Path) -> None:
    room = Room(tmp_path, blobs(), "import torch\ntorch.set_grad_enabled(False)\n" + LINEAR)
    try:
        report = room.train(epochs=3)
    finally:
        torch.set_grad_enabled(True)
    assert report.failure is None
    assert report.train_loss[-1] < report.train_loss[0]


def test_a_data_file_of_the_wrong_size_is_not_blamed_on_the_candidate(tmp_path: Path) -> None:
    room = Room(tmp_path, images())
    (room.volume / "inputs.bin").write_bytes(b"1234")
    with pytest.raises(Exception, match="should hold"):
        room.train()


def test_the_source_is_a_real_module(tmp_path: Path) -> None:
    source = "import dataclasses, inspect, pickle\n@dataclasses.dataclass\nclass Width:\n    value: int = 3\n"
    source += "assert pickle.loads(pickle.dumps(Width(4))) == Width(4)\n"
    source += "assert 'value: int = 3' in inspect.getsource(Width)\n"
    report = Room(tmp_path, blobs(), source + LINEAR).train()
    assert report.failure is None
    assert sys.modules["model"].__dict__["Width"].__module__ == "model"
