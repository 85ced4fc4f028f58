"""The evaluation that everything is timed with: a small convolutional network, 512 images of 3 x 32 x 32, one epoch.

The pixels are noise from a fixed generator: what is measured is time, and the time of a step does not depend on what
the pixels show. No score is made of them.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fumehood_shared import paths
from fumehood_shared.messages import (
    ArraySpec,
    DataFacts,
    ImageEncoding,
    InputKind,
    SeedSpec,
    TargetEncoding,
    Task,
)

if TYPE_CHECKING:  # a machine that measures the runner alone has no controller
    from fumehood.records import Dataset

CLASSES: Final = 10
SHAPE: Final = (3, 32, 32)
ROWS: Final = 512
SEEDS: Final = tuple(SeedSpec(seed=seed, order=seed) for seed in range(3))
SOURCE: Final = '''"""Two convolutions and a linear layer."""

from torch import nn

RECIPE = {"epochs": 1, "batch_size": 64, "lr": 1e-3}


def build_model(input_shape, num_outputs):
    channels, height, width = input_shape
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * (height // 4) * (width // 4), num_outputs),
    )
'''


def specs() -> dict[str, ArraySpec]:
    """Training and validation have the same number of rows, and there is no test split."""
    inputs, targets = ArraySpec(dtype="float32", shape=(ROWS, *SHAPE)), ArraySpec(dtype="int64", shape=(ROWS,))
    return {
        f"{split}_{name}": spec
        for split in ("train", "validation")
        for name, spec in (("inputs", inputs), ("targets", targets))
    }


def write_files(folder: Path) -> None:
    """Write every array into ``folder``."""
    draw = np.random.default_rng(0)
    for name, spec in specs().items():
        if spec.dtype == "float32":
            array: np.ndarray[Any, Any] = draw.standard_normal(spec.shape, dtype=np.float32)
        else:
            array = draw.integers(0, CLASSES, spec.shape)
        array.tofile(folder / paths.array_file(name))


def write_arrays(folder: Path) -> "Dataset":
    """Write every array into ``folder``, and describe them as a prepare room would have."""
    from fumehood.records import Dataset

    write_files(folder)
    return Dataset(
        spec="noise for timing",
        task=Task.CLASSIFICATION,
        input_kind=InputKind.IMAGE,
        input_shape=SHAPE,
        num_outputs=CLASSES,
        encoding=ImageEncoding(shape=SHAPE, mean=(0.0,) * SHAPE[0], std=(1.0,) * SHAPE[0]),
        target=TargetEncoding(name="class", classes=tuple(str(i) for i in range(CLASSES))),
        arrays=specs(),
        digests={name: digest(folder / paths.array_file(name)) for name in specs()},
        source_digest="0" * 64,
        split_seed=0,
        facts=DataFacts(rows=2 * ROWS),
    )


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def job(count: int, threads: int) -> dict[str, Any]:
    """The fields that train and predict requests of ``count`` seeds share."""
    return {
        "task": Task.CLASSIFICATION,
        "input_kind": InputKind.IMAGE,
        "input_shape": SHAPE,
        "num_outputs": CLASSES,
        "seeds": SEEDS[:count],
        "threads": threads,
        "deadline_s": 1800.0,
    }
