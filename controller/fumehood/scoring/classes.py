"""Class by class: rates with intervals, and which classes are taken for which. Pure.

Counts are summed over seeds, so a rate is that of all their predictions. Intervals are those of the mean over seeds: a
recall is a mean over the examples of its class; precision and F1 are ratios of means (``ratios``).

Only the most frequent mistakes are shown, and what was picked for being frequent is by luck more frequent than it is:
their intervals are widened so that the expected share of them that miss stays what the level allows (false coverage
rate: Benjamini and Yekutieli 2005, R picked of m at level ``1 - alpha R / m``).

Measured coverage at level 0.95 (``tests/scoring/test_coverage_of_parts.py``; three classes, shares .5 .3 .2 and .9 .07
.03, 5% and 20% of answers wrong, standard deviations over seeds 0.2 and 2 points, N = 200 and 2,000, S = 3 and 10, 30%
and 90% of the noise shared by seeds; 300 experiments a cell, all classes together): precision .940 to .989, recall .929
to .994, F1 .932 to .981, mistakes of which none is left out .952 to .998. The twenty most frequent of ninety mistakes
that are equally frequent in truth, S = 1, 3 and 10: .932 to .983, and .777 to .928 without the widening.
"""

from collections.abc import Sequence

import numpy as np

from fumehood.records import ClassReport, Interval, Mistake
from fumehood.scoring import confusion
from fumehood.scoring.confusion import Counts
from fumehood.scoring.measured import Bools, Floats, Ints, Measured, mean_of
from fumehood.scoring.ratios import interval_of_rate, interval_of_ratio

MOST = 20
"""How many kinds of mistakes are told apart from the rest."""


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
    share = len(cells) / max(wrong.size - len(names), 1)
    return tuple(
        Mistake(
            true=names[t],
            predicted=names[p],
            count=int(wrong[t, p]),
            rate=float(wrong[t, p] / table[t].sum()),
            interval=_of_picked([mean_of(_taken(targets, predicted[i], t, p)) for i in distinct], level, share),
        )
        for t, p in cells
    )


def _of_picked(seeds: Sequence[Measured], level: float, share: float) -> Interval | None:
    """Interval of the rate of a mistake, one of the ``share`` of all kinds that were picked."""
    found = interval_of_rate(seeds, 1 - (1 - level) * share)
    if found is None or share == 1:
        return found
    return found.model_copy(update={"level": level, "method": f"most frequent picked, {found.method}"})


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
        precision_interval=interval_of_ratio(hits, taken, level),
        recall_interval=interval_of_rate([mean_of(h) for h in hits[:, own > 0]], level) if true.any() else None,
        f1_interval=interval_of_ratio(2 * hits, taken + own, level),
    )
