"""The question: a goal, the data that it is asked of, and where a run stands with it."""

from enum import StrEnum
from typing import Literal

from fumehood.records.base import Record
from fumehood_shared import paths
from fumehood_shared.messages import (
    ArraySpec,
    DataFacts,
    Encoding,
    Fold,
    InputKind,
    TargetEncoding,
    Task,
)


class Goal(Record):
    """What is asked for. ``target`` None means: as good as the budget allows."""

    text: str
    metric: str
    """A name of ``scoring.METRICS``: accuracy, balanced_accuracy, f1_macro, roc_auc, log_loss, r2, rmse, mae ..."""
    direction: Literal["max", "min"]
    target: float | None = None
    """In the metric's own units; accuracies as fractions of 1."""
    data: str | None = None
    """Data specification named in the goal's text, if any."""
    max_parameters: int | None = None
    """Largest number of parameters a winner may have; None is no limit."""
    max_train_s: float | None = None
    """Longest wall time of a winner's train rooms, in seconds, each for itself; None is no limit."""


class GoalDraft(Record):
    """What a goal's text says. ``metric`` None: not said. ``percent``: the target was written with a percent sign."""

    text: str
    metric: str | None = None
    target: float | None = None
    percent: bool = False
    data: str | None = None
    max_parameters: int | None = None
    max_train_s: float | None = None


class Dataset(Record):
    """A prepared data set: what it is, and digests of every array. The arrays lie in the run's ``sealed/``."""

    spec: str
    """As the user wrote it."""
    task: Task
    input_kind: InputKind
    input_shape: tuple[int, ...]
    num_outputs: int
    vocab_size: int | None = None
    encoding: Encoding
    target: TargetEncoding
    arrays: dict[str, ArraySpec]
    digests: dict[str, str]
    """Array name -> SHA-256 of its bytes, hexadecimal."""
    source_digest: str
    """SHA-256 of the raw file, or of ``builtin:NAME@library version``."""
    split_seed: int
    subset: int | None = None
    """How many rows were asked for; None is all."""
    folds: tuple[Fold, ...] = ()
    """What each fold has of its own; then ``encoding`` and ``target`` are the first one's. None without folds."""
    facts: DataFacts

    def rows(self, split: str) -> int:
        """Number of rows of ``split`` (train, validation, test). With folds a model has the fewest rows to train on."""
        if self.folds and split == "train":
            return min(self.fold(number).rows(split) for number in self.numbers)
        return self.arrays[f"{split}_{'targets' if self.folds else 'inputs'}"].shape[0]

    @property
    def numbers(self) -> range:
        """Of the folds, from 1."""
        return range(1, len(self.folds) + 1)

    def fold(self, number: int) -> "Dataset":
        """A data set of its own, whose validation rows are the fold and whose training rows are those of all others."""
        own = self.folds[number - 1]
        prefix = paths.fold_array(number, "")
        arrays = {name.removeprefix(prefix): spec for name, spec in self.arrays.items() if name.startswith(prefix)}
        digests = {name.removeprefix(prefix): value for name, value in self.digests.items() if name.startswith(prefix)}
        changes = {"encoding": own.encoding, "target": own.target, "arrays": arrays, "digests": digests, "folds": ()}
        return self.model_copy(update=changes)


Move = Literal["draft", "improve", "fix"]
"""What a proposal does: begins anew, changes the best so far, or repairs one that failed."""


class Phase(StrEnum):
    """Where a run stands, as its journal tells (``planning.phases``)."""

    PLANNING = "planning"
    """Nothing was tried yet."""
    ARCHITECTURE = "architecture"
    """Different designs are tried."""
    EVALUATION = "evaluation"
    """Failures are repaired, and scores looked into."""
    OPTIMIZATION = "optimization"
    """The best so far is improved."""
