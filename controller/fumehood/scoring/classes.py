"""Class by class: rates with intervals, and which classes are taken for which. Pure.

Counts are summed over seeds, so a rate is that of all their predictions. Intervals are ``intervals.interval``'s, over
seeds and examples, of the mean over seeds: a recall is a mean over the examples of its class; precision and F1 are
ratios of means, whose pseudo-values are their influence (delta method: Efron and Tibshirani 1993, chapter 21).
"""

from collections.abc import Sequence

import numpy as np

from fumehood.records import ClassReport, Interval, Mistake
from fumehood.scoring import confusion, intervals
from fumehood.scoring.confusion import Counts
from fumehood.scoring.measured import Bools, Floats, Ints, Measured, mean_of
from fumehood.scoring.metrics import METRICS

MOST = 20
"""How many kinds of mistakes are told apart from the rest."""

_RATE = METRICS["accuracy"]
"""What a rate's interval is made like."""


def reports(
    targets: Ints, predicted: Sequence[Ints], distinct: Sequence[int], names: Sequence[str], level: float
) -> tuple[ClassReport, ...]:
    """One report per class; 0 where a rate is 0 / 0.

    ``predicted``: shape (N,) per seed; ``distinct``: the seeds that intervals rest on.
    """
    table = matrix(targets, predicted, len(names))
    c = Counts(*(x.astype(np.float64) for x in (table.diagonal(), table.sum(0), table.sum(1))))
    rates = zip(confusion.precision(c), confusion.recall(c), confusion.f1(c), strict=True)
    different = np.stack([predicted[i] for i in distinct])
    return tuple(
        _report(name, (float(p), float(r), float(f)), targets == k, different == k, level)
        for k, (name, (p, r, f)) in enumerate(zip(names, rates, strict=True))
    )


def matrix(targets: Ints, predicted: Sequence[Ints], classes: int) -> Ints:
    """Confusion matrix summed over seeds, K x K: rows true, columns predicted."""
    table: Ints = np.sum([confusion.matrix(targets, p, classes) for p in predicted], axis=0)
    return table


def mistakes(
    targets: Ints, predicted: Sequence[Ints], distinct: Sequence[int], names: Sequence[str], level: float
) -> tuple[Mistake, ...]:
    """The most frequent mistakes, at most ``MOST``; arguments as for ``reports``."""
    table = matrix(targets, predicted, len(names))
    wrong = table - np.diag(table.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST]
    cells = [(int(t), int(p)) for t, p in zip(*np.unravel_index(order, wrong.shape), strict=True) if wrong[t, p]]
    return tuple(
        Mistake(
            true=names[t],
            predicted=names[p],
            count=int(wrong[t, p]),
            rate=float(wrong[t, p] / table[t].sum()),
            interval=_interval([mean_of(_taken(targets, predicted[i], t, p)) for i in distinct], level),
        )
        for t, p in cells
    )


def _taken(targets: Ints, predicted: Ints, true: int, other: int) -> Floats:
    """Which examples of the class ``true`` are taken for ``other``."""
    taken: Floats = (predicted[targets == true] == other).astype(np.float64)
    return taken


def _report(name: str, rates: tuple[float, float, float], true: Bools, predicted: Bools, level: float) -> ClassReport:
    """``true``: shape (N,), ``predicted``: S x N, of this class or not."""
    concerned = true | predicted.any(axis=0)
    own, taken = true[concerned].astype(np.float64), predicted[:, concerned].astype(np.float64)
    hits = taken * own
    return ClassReport(
        name=name,
        support=int(true.sum()),
        precision=rates[0],
        recall=rates[1],
        f1=rates[2],
        precision_interval=_ratio(hits, taken, level),
        recall_interval=_interval([mean_of(h) for h in hits[:, own > 0]], level) if true.any() else None,
        f1_interval=_ratio(2 * hits, taken + own, level),
    )


def _ratio(numerator: Floats, denominator: Floats, level: float) -> Interval | None:
    """Interval of the mean over seeds of one sum over the other; both S x N, of examples that concern the class.

    Examples that do not concern it have no influence, so that leaving them out changes nothing to first order.
    """
    sums, n = denominator.sum(axis=1), denominator.shape[1]
    if n < 2 or (sums == 0).any():
        return None
    values = numerator.sum(axis=1) / sums
    pseudo = values[:, None] + (numerator - values[:, None] * denominator) * (n / sums)[:, None]
    return _interval([Measured(float(v), p, float(s)) for v, p, s in zip(values, pseudo, sums, strict=True)], level)


def _interval(seeds: Sequence[Measured], level: float) -> Interval | None:
    return intervals.interval(_RATE, seeds, level)
