"""The sealed data of a run, and what predictions are worth against its labels. Labels are read here and nowhere else.

Every file is compared with the digest that the journal holds for it before it is used, so that a run that was altered
on disk stops instead of giving a number.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt

from fumehood.data import seal
from fumehood.errors import UsageError
from fumehood.executors.local import predictions_file
from fumehood.records import Comparison, Dataset, Design, Envelope, Score
from fumehood.scoring.baseline import Baseline
from fumehood.scoring.comparison import compare
from fumehood.scoring.metrics import for_task
from fumehood.scoring.noise import SeedSpread
from fumehood.scoring.racing import clearly_worse
from fumehood.scoring.score import expect_defined, score
from fumehood_shared import paths
from fumehood_shared.messages import Task

Split = Literal["validation", "test"]


class _TaskFields(TypedDict):
    task: Task
    class_names: tuple[str, ...]
    baseline: Baseline


@dataclass(frozen=True)
class Tried:
    """What a candidate brought, and the folder with its predictions."""

    envelope: Envelope
    predictions: Path


@dataclass(frozen=True)
class Evidence:
    """The arrays of ``dataset`` in ``folder``, the run's sealed one."""

    folder: Path
    dataset: Dataset

    def check(self) -> None:
        """All arrays are those that the journal speaks of. Raises UsageError for the first that is not."""
        for name, digest in self.dataset.digests.items():
            check_unchanged(self.folder / paths.array_file(name), digest)

    def expect_defined(self, design: Design, *splits: Split) -> None:
        """What ``design`` measures can be measured on the rows of ``splits``; nothing is measured.

        Raises UsageError for a metric of another task, DataError with the reason where the goal's is not defined
        whatever is predicted, and UsageError where labels are missing or changed.
        """
        for metric in design.metrics or ():
            for_task(metric, self.dataset.task)
        for split in splits:
            name = f"{split}_targets"
            check_unchanged(self.folder / paths.array_file(name), self.dataset.digests.get(name))
            task, names = self.dataset.task, self.dataset.target.classes
            expect_defined(design.metric, self._targets(split), task=task, split=split, class_names=names)

    def score(self, tried: Tried, split: Split, design: Design) -> Score:
        """Measure one candidate. Raises UsageError if a file of its predictions is missing or changed."""
        return score(
            self._of(tried),
            self._targets(split),
            split=split,
            metric=design.metric,
            level=design.confidence_level,
            tracked=design.metrics,
            by_class=design.by_class,
            **self._task(),
        )

    def compare(self, new: Tried, old: Tried, split: Split, design: Design, spread: SeedSpread | None) -> Comparison:
        """Two candidates on the same rows. Raises as ``score`` does."""
        sides, targets, level = (self._of(new), self._of(old)), self._targets(split), design.confidence_level
        return compare(*sides, targets, metric=design.metric, level=level, spread=spread, **self._task())

    def clearly_worse(
        self, new: Tried, rival: Tried, design: Design, *, planned: int, spread: SeedSpread | None
    ) -> bool:
        """Whether ``new`` needs no more seeds than it has, on validation. Raises as ``score`` does."""
        sides, targets = (self._of(new), self._of(rival)), self._targets("validation")
        return clearly_worse(*sides, targets, metric=design.metric, planned=planned, spread=spread, **self._task())

    def _task(self) -> "_TaskFields":
        dataset = self.dataset
        return {
            "task": dataset.task,
            "class_names": dataset.target.classes,
            "baseline": Baseline.fit(self._targets("train"), dataset.task, dataset.num_outputs),
        }

    def _of(self, tried: Tried) -> list[npt.NDArray[np.float32] | None]:
        """Of every seed its predictions, or None where it failed."""
        return [
            self._predictions(predictions_file(tried.predictions, seed.seed), seed.predictions_digest)
            if seed.predictions_digest
            else None
            for seed in tried.envelope.seeds
        ]

    def _predictions(self, path: Path, digest: str) -> npt.NDArray[np.float32]:
        check_unchanged(path, digest)
        return np.fromfile(path, dtype="<f4").reshape(-1, self.dataset.num_outputs)

    def _targets(self, split: str) -> npt.NDArray[Any]:
        spec = self.dataset.arrays[f"{split}_targets"]
        path = self.folder / paths.array_file(f"{split}_targets")
        return np.fromfile(path, dtype="<f4" if spec.dtype == "float32" else "<i8").reshape(spec.shape)


def check_unchanged(path: Path, digest: str | None) -> None:
    """Raise UsageError unless ``path`` has the SHA-256 that the journal holds for it."""
    if not path.is_file() or seal.file_digest(path) != digest:
        raise UsageError(
            f"{path} is missing or not what the journal says",
            "take it from a backup and resume, or start a new run",
        )
