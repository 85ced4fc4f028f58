"""Logits to probabilities, and the metrics of the probabilities themselves."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fumehood.records import CalibrationBin, Interval
from fumehood.scoring.intervals import wilson
from fumehood.scoring.measured import Floats, Ints, Measured, jackknifed, mean_of
from fumehood.scoring.ratios import interval_of_ratio

CALIBRATION_BINS = 15
"""Equal-width bins of the top label's probability (Guo et al., On Calibration of Modern Neural Networks, 2017)."""


def softmax(logits: NDArray[np.floating]) -> Floats:
    """Probabilities, N x K in float64, of finite logits of any size."""
    from scipy.special import softmax as scipys  # see intervals: loaded when there is something to score

    out: Floats = scipys(np.asarray(logits, dtype=np.float64), axis=1)
    return out


def measure(targets: Ints, probabilities: Floats) -> dict[str, Measured]:
    """``log_loss``, ``brier`` and ``calibration_error`` for one seed. ``probabilities``: N x K."""
    return {
        "log_loss": mean_of(_log_losses(targets, probabilities)),
        "brier": mean_of(_brier(targets, probabilities)),
        "calibration_error": _calibration_error(targets, probabilities),
    }


def _log_losses(targets: Ints, probabilities: Floats) -> Floats:
    """In nats per example, with probabilities held above float64's epsilon as scikit-learn's ``log_loss`` does."""
    chosen = probabilities[np.arange(len(targets)), targets]
    eps = float(np.finfo(np.float64).eps)
    losses: Floats = -np.log(np.clip(chosen, eps, 1 - eps))
    return losses


def _brier(targets: Ints, probabilities: Floats) -> Floats:
    """Squared distance to the one-hot target; halved for two classes, so that it is in [0, 1] there (Brier 1950)."""
    chosen = probabilities[np.arange(len(targets)), targets]
    distance: Floats = np.einsum("nk,nk->n", probabilities, probabilities) - 2 * chosen + 1
    scale = 0.5 if probabilities.shape[1] == 2 else 1.0
    return np.maximum(distance, 0.0) * scale


def calibration(
    targets: Ints, logits: Sequence[NDArray[np.floating]], distinct: Sequence[int], level: float
) -> tuple[CalibrationBin, ...]:
    """The bins of the calibration error that hold predictions, over all seeds; ``logits``: N x K per seed.

    ``distinct``: the seeds that intervals rest on. The share that is right in a bin is a ratio of sums over examples.
    Where a seed has no prediction in a bin, or the bin holds one example alone, the interval is Wilson's, with all
    seeds' predictions of an example as one.

    Measured coverage at level 0.95 of a bin's true accuracy over seeds and examples, all bins of an experiment together
    (``tests/scoring/test_coverage_of_parts.py``; two classes, signals of seeds 1.2 with standard deviations .02, .1 and
    .3 of the noise's, probabilities that understate and ones that overstate, S = 3, 5 and 10, 30% and 90% of
    the noise shared; 200 experiments a cell): .976 to 1.000 at N = 200, where bins hold few, and .926 to .989 at 2,000.
    At 10,000 with three seeds that differ most, in 100 experiments, .916, and .594 for Wilson's, which takes seeds for
    alike. Bins that have it here: 1.000; they hold so few that hardly any share is ruled out.
    """
    right, confidence, bins = (np.stack(x) for x in zip(*(_binned(targets, softmax(o)) for o in logits), strict=True))
    found, rest_on = [], list(distinct)
    for k in np.unique(bins).tolist():
        inside = (bins == k).astype(np.float64)
        count, hits = int(inside.sum()), inside * right
        accuracy = float(hits.sum()) / count
        found.append(
            CalibrationBin(
                low=k / CALIBRATION_BINS,
                high=(k + 1) / CALIBRATION_BINS,
                count=count,
                confidence=float((inside * confidence).sum()) / count,
                accuracy=accuracy,
                interval=_of_bin(hits[rest_on], inside[rest_on], level) or wilson(accuracy, count / len(logits), level),
            )
        )
    return tuple(found)


def _of_bin(hits: Floats, inside: Floats, level: float) -> Interval | None:
    """Both S x N: whether a seed's prediction of an example is in the bin, and is right besides."""
    concerned = inside.any(axis=0)
    return interval_of_ratio(hits[:, concerned], inside[:, concerned], level)


def _binned(targets: Ints, probabilities: Floats) -> tuple[Floats, Floats, Ints]:
    """Whether the top label is right, its probability, and its bin, open below and closed above; shape (N,) each."""
    top = probabilities.argmax(axis=1)
    confidence = probabilities[np.arange(len(top)), top]
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)
    return (top == targets).astype(np.float64), confidence, bins


def _calibration_error(targets: Ints, probabilities: Floats) -> Measured:
    """Expected calibration error of the top label."""
    right, confidence, bins = _binned(targets, probabilities)
    gap = right - confidence
    sums = np.bincount(bins, weights=gap, minlength=CALIBRATION_BINS)
    total, n = float(np.abs(sums).sum()), len(targets)
    left_out = (total - np.abs(sums)[bins] + np.abs(sums[bins] - gap)) / (n - 1) if n > 1 else None
    return jackknifed(total / n, left_out, float(n))
