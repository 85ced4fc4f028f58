"""What passes between a run and the process that fits its baselines: an order, and a JSON line for each of them."""

from pathlib import Path
from typing import Literal

from fumehood.records import Record
from fumehood_shared.messages import ArraySpec, InputKind, Task

Split = Literal["validation", "test"]
SPLITS: tuple[Split, ...] = ("validation", "test")
"""Predicted by every baseline."""


class Order(Record):
    """Which baselines to fit, in which order; arrays lie in ``folder``, predictions go into the folder ``into``."""

    names: tuple[str, ...]
    folder: Path
    into: Path
    arrays: dict[str, ArraySpec]
    """``train_inputs``, ``train_targets``, and the inputs of the splits to predict, of each fold where there are
    ``folds`` (``paths.fold_array``): all that the process may read."""
    folds: int = 0
    task: Task
    kind: InputKind
    outputs: int
    vocab_size: int | None = None
    memory_bytes: int
    """Address space that the process may have."""


class Line(Record):
    """One baseline is done: its predictions are there, or ``failure`` says why not."""

    name: str
    failure: str = ""


def predictions_file(into: Path, name: str, split: str) -> Path:
    """Float32 rows x outputs, in the data set's own order; logits or values in the targets' units.

    In a folder of its own, as the predictions of a candidate's only seed.
    """
    return into / name / split / "seed-0.bin"
