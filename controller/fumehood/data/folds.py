"""K-fold validation: what may be asked for, and how the answers of K models become those of one seed. Pure.

The sealed test rows are those of ``holdout``. All others are divided into K folds; each fold is predicted by models
that were trained on the other K - 1, from scratch, and these predictions together are the seed's for all N rows. The
sealed test is predicted by all K models of a seed, and their answers are averaged: an ensemble inside one seed, never
across seeds, whose independence every interval rests on.

Labels of a fold are in the train rooms of the other folds, so those rooms are dead before a room is asked about its
rows: folds take turns, and so do candidates. The sealed test's labels are in no room, with folds or without.
"""

import re
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from fumehood.data.specs import DataSpec
from fumehood.errors import DataError, UsageError
from fumehood.text import plain
from fumehood_shared import caps
from fumehood_shared.messages import RowsSource, Task

HOLDOUT: Final = "holdout"
_KFOLD: Final = re.compile(r"kfold:([0-9]{1,4})", re.ASCII)
_FLOAT32: Final = np.finfo(np.float32)


def count(splits: str) -> int | None:
    """K of ``kfold:K``; None for ``holdout``. Raises UsageError for anything else."""
    if splits == HOLDOUT:
        return None
    found = _KFOLD.fullmatch(splits)
    number = int(found[1]) if found else 0
    if not caps.FEWEST_FOLDS <= number <= caps.MOST_FOLDS:
        raise UsageError(
            f"--splits is {plain(splits, 60)!r}",
            f"holdout, or kfold:K with K from {caps.FEWEST_FOLDS} to {caps.MOST_FOLDS}",
        )
    return number


def expect_possible(splits: str, spec: DataSpec, parallel: int = 1) -> None:
    """What is to be refused before a room is opened. Raises UsageError for ``splits`` that cannot be used."""
    if count(splits) is None:
        return
    if isinstance(spec.source, RowsSource) and spec.source.time is not None:
        raise DataError(
            f"{splits} and #time= do not go together: models would be trained on rows newer than those they predict.",
            "Use --splits holdout, or leave out #time=.",
        )
    if parallel > 1:
        raise UsageError(
            f"{splits} and --parallel {parallel} do not go together: a room of one candidate would hold labels of "
            "rows that another's is asked about at the same time",
            "leave out --parallel",
        )


def joined(
    split: Literal["validation", "test"], outputs: Sequence[NDArray[np.float32]], task: Task
) -> NDArray[np.float32]:
    """What the models of all folds answer together: each for its own validation rows, or all of them for the test's."""
    return np.concatenate(outputs) if split == "validation" else averaged(outputs, task)


def averaged(outputs: Sequence[NDArray[np.float32]], task: Task) -> NDArray[np.float32]:
    """N x C of several models, each N x C: log of the mean of their probabilities, or mean of their values.

    One model's answers stay as they are.
    """
    if len(outputs) == 1:
        return outputs[0]
    stacked = np.stack(outputs).astype(np.float64)
    if task is Task.CLASSIFICATION:
        from scipy.special import log_softmax, logsumexp  # loaded when there is something to average

        mean = logsumexp(log_softmax(stacked, axis=2), axis=0) - np.log(len(outputs))
    else:
        mean = stacked.mean(axis=0)
    held: NDArray[np.float64] = np.clip(mean, _FLOAT32.min, _FLOAT32.max)
    return held.astype(np.float32)
