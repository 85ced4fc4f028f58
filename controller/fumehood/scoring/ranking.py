"""ROC-AUC and average precision with exact leave-one-out values, in O(N log N) per class.

Ties count as scikit-learn counts them: half a pair for ROC-AUC, one threshold per distinct score for average
precision. More than two classes: one against the rest, the plain mean over classes. Both need an example of every
class; with a class of one example the values stand and leave-one-out values do not.
"""

from typing import NamedTuple

import numpy as np

from fumehood.scoring.confusion import smallest_effective
from fumehood.scoring.measured import Bools, Floats, Ints, Measured, jackknifed


class Ranked(NamedTuple):
    """One binary problem: values, and leave-one-out values of shape (N,)."""

    auc: float
    ap: float
    auc_left_out: Floats | None
    ap_left_out: Floats | None


class _Groups(NamedTuple):
    """Distinct scores from high to low, shape (G,): positives and all examples at and above each; ``of``: (N,)."""

    positives: Floats
    examples: Floats
    of: Ints


def measure(targets: Ints, probabilities: Floats) -> dict[str, Measured]:
    """``roc_auc`` and ``average_precision`` for one seed. ``probabilities``: N x K; every class occurs in targets."""
    classes = probabilities.shape[1]
    sizes = np.bincount(targets, minlength=classes).astype(np.float64)
    columns = [1] if classes == 2 else list(range(classes))
    ranked = [rank(np.ascontiguousarray(probabilities[:, c]), targets == c) for c in columns]
    effective = float(sizes.min()) if classes == 2 else smallest_effective(sizes)
    return {
        "roc_auc": _mean([r.auc for r in ranked], [r.auc_left_out for r in ranked], effective),
        "average_precision": _mean([r.ap for r in ranked], [r.ap_left_out for r in ranked], effective),
    }


def _mean(values: list[float], left_out: list[Floats | None], effective: float) -> Measured:
    known = [x for x in left_out if x is not None]
    total = np.add.reduce(known) / len(known) if len(known) == len(values) else None
    return jackknifed(float(np.mean(values)), total, effective)


def rank(scores: Floats, positive: Bools) -> Ranked:
    """ROC-AUC and average precision of one binary problem. ``scores`` and ``positive``: shape (N,), both classes."""
    groups = _groups(scores, positive)
    auc, auc_left_out = _roc_auc(groups, positive)
    ap, ap_left_out = _average_precision(groups, positive)
    p, n = groups.positives[-1], groups.examples[-1]
    return Ranked(auc, ap, auc_left_out if min(p, n - p) > 1 else None, ap_left_out if p > 1 else None)


def _groups(scores: Floats, positive: Bools) -> _Groups:
    order = np.argsort(-scores)
    ordered = scores[order]
    last = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(scores) - 1)
    above = np.cumsum(positive[order])[last].astype(np.float64)
    of = np.empty(len(scores), dtype=np.int64)
    of[order] = np.repeat(np.arange(len(last)), np.diff(last, prepend=-1))
    return _Groups(above, (last + 1).astype(np.float64), of)


def _roc_auc(g: _Groups, positive: Bools) -> tuple[float, Floats]:
    """Mann-Whitney U over pairs; an example's placement is the number of pairs it wins (DeLong et al. 1988)."""
    p, n = g.positives[-1], g.examples[-1] - g.positives[-1]
    negatives = g.examples - g.positives
    own_p, own_n = np.diff(g.positives, prepend=0.0), np.diff(negatives, prepend=0.0)
    won_by_positive = n - negatives + own_n / 2
    won_against_negative = g.positives - own_p / 2
    pairs = float(own_p @ won_by_positive)
    with np.errstate(divide="ignore", invalid="ignore"):
        without_p = (pairs - won_by_positive) / ((p - 1) * n)
        without_n = (pairs - won_against_negative) / (p * (n - 1))
    return pairs / float(p * n), np.where(positive, without_p[g.of], without_n[g.of])


def _average_precision(g: _Groups, positive: Bools) -> tuple[float, Floats]:
    """Mean over positives of the precision at their threshold, with and without each example.

    Without an example, thresholds above its score keep their precision and those at or below it lose a count.
    """
    p = g.positives[-1]
    own = np.diff(g.positives, prepend=0.0)
    terms = own * g.positives / g.examples
    above = np.cumsum(terms) - terms
    fewer = np.maximum(g.examples - 1, 1)
    without_n = above + _from(own * g.positives / fewer)
    below = _from(own * (g.positives - 1) / fewer)
    at = (g.positives - 1) / fewer
    with np.errstate(divide="ignore", invalid="ignore"):
        without_p = (above + below - at) / (p - 1)
    return float(terms.sum() / p), np.where(positive, without_p[g.of], (without_n / p)[g.of])


def _from(terms: Floats) -> Floats:
    """Sums from each position to the end."""
    return np.cumsum(terms[::-1])[::-1]
