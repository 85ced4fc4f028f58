"""What each seed of one candidate measured: from predictions, of failed seeds too, to values with pseudo-values. Pure.

What always holds: one entry per seed, in their order, and a failed seed measured as the baseline predictor.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fumehood.errors import InternalError
from fumehood.scoring import confusion, probability, ranking, regression
from fumehood.scoring.baseline import Baseline
from fumehood.scoring.measured import Floats, Measured
from fumehood_shared.messages import Task

_ALIKE = 1e-5
"""Predictions of two seeds that differ by less, relative to the largest of them, count as one seed."""

_OF_PROBABILITIES = ("log_loss", "brier", "calibration_error")
_OF_RANKS = ("roc_auc", "average_precision")

Predictions = NDArray[np.float32] | NDArray[np.float64]


def outputs(
    predictions: Sequence[Predictions | None], targets: NDArray[np.generic], baseline: Baseline, columns: int
) -> list[Floats]:
    """N x ``columns`` per seed in float64, the baseline's where a seed failed.

    Raises InternalError for arrays that do not fit together (rooms' output is checked before it comes here).
    """
    if not predictions:
        raise InternalError("A score needs at least one seed.")
    found = [baseline.predict(len(targets)) if p is None else np.asarray(p, np.float64) for p in predictions]
    for i, o in enumerate(found):
        if o.shape != (len(targets), columns) or not np.isfinite(o).all():
            raise InternalError(f"Seed {i}: predictions of shape {o.shape} are not {len(targets)} x {columns} finite.")
    return found


def columns(targets: NDArray[np.generic], task: Task, class_names: Sequence[str]) -> int:
    """How many outputs a model has for each example: classes, or targets."""
    return len(class_names) if task is Task.CLASSIFICATION else targets.reshape(len(targets), -1).shape[1]


def measure(outputs: Floats, targets: NDArray[np.generic], task: Task) -> dict[str, Measured]:
    """Every metric of the task that the targets define, for one seed."""
    if task is Task.REGRESSION:
        return regression.measure(np.asarray(targets, np.float64).reshape(outputs.shape), outputs)
    labels = np.asarray(targets, np.int64)
    probabilities = probability.softmax(outputs)
    found = confusion.measure(labels, outputs.argmax(axis=1), outputs.shape[1])
    found |= probability.measure(labels, probabilities)
    every_class = len(np.unique(labels)) == outputs.shape[1]
    return found | ranking.measure(labels, probabilities) if every_class else found


def measure_one(metric: str, outputs: Floats, targets: NDArray[np.generic], task: Task) -> Measured:
    """One metric alone, which is quicker. Raises ``KeyError`` where the targets do not define it."""
    if task is Task.REGRESSION:
        return measure(outputs, targets, task)[metric]
    labels = np.asarray(targets, np.int64)
    if metric in _OF_PROBABILITIES:
        return probability.measure(labels, probability.softmax(outputs))[metric]
    if metric in _OF_RANKS:
        return measure(outputs, targets, task)[metric]
    return confusion.measure(labels, outputs.argmax(axis=1), outputs.shape[1])[metric]


def distinct(predictions: Sequence[Predictions | None]) -> tuple[int, ...]:
    """Indices of seeds whose predictions differ from those of every earlier one; each failed seed is one."""
    kept: list[int] = []
    for i, p in enumerate(predictions):
        if p is None or not any(_alike(p, predictions[k]) for k in kept):
            kept.append(i)
    return tuple(kept)


def _alike(a: Predictions, b: Predictions | None) -> bool:
    if b is None:
        return False
    largest = max(float(np.abs(a[:1]).max()), float(np.abs(b[:1]).max()))
    with np.errstate(over="ignore"):  # opposite ends of float32: infinitely far apart is right
        if float(np.abs(a[:1] - b[:1]).max()) > _ALIKE * largest:
            return False
        return bool(np.abs(a - b).max() <= _ALIKE * max(float(np.abs(a).max()), float(np.abs(b).max())))
