"""The predictor that looks at nothing: class shares, or the mean, of the training targets.

A failed seed scores as this, and every score shows what it reaches.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fumehood.errors import InternalError
from fumehood.scoring.measured import Floats
from fumehood_shared.messages import Task


@dataclass(frozen=True)
class Baseline:
    """``outputs``: one row of predictions, C logits (log class shares) or T target means."""

    task: Task
    outputs: tuple[float, ...]

    @classmethod
    def fit(cls, train_targets: NDArray[np.generic], task: Task, num_outputs: int) -> "Baseline":
        """From training targets: int N (classification) or float N x T or N (regression)."""
        if len(train_targets) == 0:
            raise InternalError("There are no training targets to fit a baseline to.")
        if task is Task.CLASSIFICATION:
            shares = np.bincount(np.asarray(train_targets, np.int64), minlength=num_outputs) / len(train_targets)
            row = np.log(np.maximum(shares, float(np.finfo(np.float64).tiny)))
        else:
            row = np.asarray(train_targets, np.float64).reshape(len(train_targets), num_outputs).mean(axis=0)
        return cls(task, tuple(float(v) for v in row))

    def predict(self, rows: int) -> Floats:
        """``rows`` x C logits or ``rows`` x T values, all rows alike."""
        return np.tile(np.asarray(self.outputs, np.float64), (rows, 1))
