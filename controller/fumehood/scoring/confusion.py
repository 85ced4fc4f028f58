"""Metrics that depend on the predicted class alone, through the confusion matrix.

Definitions are scikit-learn's (``precision_recall_fscore_support`` with ``zero_division=0``; averages run over the
classes that occur in targets or predictions; balanced accuracy over those that occur in targets). Leave-one-out
values are exact: leaving out an example moves one count of its true and one of its predicted class, so one value per
occupied cell of the matrix is enough, and a class that thereby disappears leaves the average as it would there.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fumehood.scoring.measured import Floats, Ints, Measured, jackknifed, mean_of


class Counts(NamedTuple):
    """Per class, shape (K,): hits, how often predicted, how often true."""

    hits: Floats
    predicted: Floats
    true: Floats


Rate = Callable[[Counts], Floats]
"""Counts -> rate per class, 0 where it is 0 / 0."""


class Cells(NamedTuple):
    """Occupied cells of a confusion matrix: true and predicted class, shape (M,); ``of`` maps N examples to them."""

    true: Ints
    predicted: Ints
    of: Ints


def matrix(targets: Ints, predicted: Ints, classes: int) -> Ints:
    """Confusion matrix, K x K: rows true, columns predicted."""
    flat = np.bincount(targets * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def precision(c: Counts) -> Floats:
    return _ratio(c.hits, c.predicted)


def recall(c: Counts) -> Floats:
    return _ratio(c.hits, c.true)


def f1(c: Counts) -> Floats:
    return _ratio(2 * c.hits, c.predicted + c.true)


RATES: dict[str, Rate] = {"f1": f1, "precision": precision, "recall": recall}


def measure(targets: Ints, predicted: Ints, classes: int) -> dict[str, Measured]:
    """All metrics of this module for one seed. ``targets`` and ``predicted``: shape (N,), classes 0 .. K-1."""
    confusion = matrix(targets, predicted, classes)
    counts = Counts(*(c.astype(np.float64) for c in (confusion.diagonal(), confusion.sum(0), confusion.sum(1))))
    codes, of = np.unique(targets * classes + predicted, return_inverse=True)
    cells = Cells(codes // classes, codes % classes, of)
    accuracy = mean_of((targets == predicted).astype(np.float64))
    out = {"accuracy": accuracy, "balanced_accuracy": _balanced(counts, cells)}
    for name, rate in RATES.items():
        out[f"{name}_macro"] = _macro(rate, counts, cells)
        out[f"{name}_micro"] = accuracy
        out[f"{name}_weighted"] = _weighted(rate, counts, cells)
    return out


def smallest_effective(true: Floats) -> float:
    """Effective examples of an average over classes: K times the harmonic mean of the K class sizes that are not 0.

    The variance of a mean of K independent proportions p with n_c trials each is p (1 - p) / K**2 * sum(1 / n_c).
    """
    present = true[true > 0]
    return float(len(present) ** 2 / np.sum(1.0 / present))


def _moved(rate: Rate, c: Counts, cells: Cells) -> tuple[Floats, Floats, Counts, Counts]:
    """Rates of the true and of the predicted class without one example of each cell, and their counts then."""
    hit = (cells.true == cells.predicted).astype(np.float64)
    t, p = cells.true, cells.predicted
    of_true = Counts(c.hits[t] - hit, c.predicted[t] - hit, c.true[t] - 1)
    of_predicted = Counts(c.hits[p] - hit, c.predicted[p] - 1, c.true[p] - hit)
    return rate(of_true), rate(of_predicted), of_true, of_predicted


def _macro(rate: Rate, c: Counts, cells: Cells) -> Measured:
    rates = rate(c)
    present = float(np.count_nonzero(c.predicted + c.true))
    new_t, new_p, count_t, count_p = _moved(rate, c, cells)
    miss = cells.true != cells.predicted
    total = rates.sum() - rates[cells.true] + new_t + miss * (new_p - rates[cells.predicted])
    gone = (count_t.predicted + count_t.true == 0) + (miss & (count_p.predicted + count_p.true == 0)).astype(np.float64)
    return _finish(float(rates.sum() / present), total, present - gone, c, cells, smallest_effective(c.true))


def _weighted(rate: Rate, c: Counts, cells: Cells) -> Measured:
    rates, n = rate(c), float(c.true.sum())
    new_t, new_p, count_t, count_p = _moved(rate, c, cells)
    miss = cells.true != cells.predicted
    share = c.true * rates
    total = share.sum() - share[cells.true] + count_t.true * new_t
    total = total + miss * (count_p.true * new_p - share[cells.predicted])
    return _finish(float(share.sum() / n), total, np.full(len(total), n - 1), c, cells, n)


def _balanced(c: Counts, cells: Cells) -> Measured:
    rates = recall(c)
    present = float(np.count_nonzero(c.true))
    new_t, _, count_t, _ = _moved(recall, c, cells)
    total = rates.sum() - rates[cells.true] + new_t
    gone = (count_t.true == 0).astype(np.float64)
    return _finish(float(rates.sum() / present), total, present - gone, c, cells, smallest_effective(c.true))


def _finish(value: float, total: Floats, number: Floats, c: Counts, cells: Cells, effective: float) -> Measured:
    left_out = _ratio(total, number)[cells.of] if c.true.sum() > 1 else None
    return jackknifed(value, left_out, effective)
