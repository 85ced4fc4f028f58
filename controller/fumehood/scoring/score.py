"""From predictions and labels to a ``Score``: every metric the task has, with intervals. Pure.

What always holds: one value per seed, failed seeds included, which score as the baseline predictor; the goal's metric
is in the result or a ``DataError`` says why it cannot be; another metric that the split does not define is left out,
and ``undefined`` names it and the reason.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fumehood.errors import DataError, InternalError, UsageError
from fumehood.records import MetricSummary, Score
from fumehood.scoring import bootstrap, confusion, intervals, probability, ranking, regression
from fumehood.scoring.baseline import Baseline
from fumehood.scoring.measured import Floats, Ints, Measured
from fumehood.scoring.metrics import METRICS, Metric
from fumehood_shared.messages import Task

_ALIKE = 1e-5
"""Predictions of two seeds that differ by less, relative to the largest of them, count as one seed."""

Predictions = NDArray[np.float32] | NDArray[np.float64]


def score(
    predictions: Sequence[Predictions | None],
    targets: NDArray[np.generic],
    *,
    task: Task,
    split: Literal["validation", "test"],
    metric: str,
    class_names: Sequence[str],
    baseline: Baseline,
    level: float = 0.95,
    bootstrap_draws: int = bootstrap.DRAWS,
) -> Score:
    """Measure one candidate on one split.

    ``predictions``: one entry per seed, N x C logits or N x T values, None where the seed failed. ``targets``: int N
    (classification; indices into ``class_names``) or float N x T or N. ``metric``: the goal's, a key of ``METRICS``;
    it alone gets the bootstrap beside its interval, unless ``bootstrap_draws`` is 0.
    Raises UsageError for a metric of another task, DataError for one that the split does not define, InternalError
    for arrays that do not fit together (rooms' output is checked before it comes here).
    """
    goal = _checked(metric, targets, task, class_names)
    outputs = [baseline.predict(len(targets)) if p is None else np.asarray(p, np.float64) for p in predictions]
    _check_shapes(outputs, targets, task, len(class_names))
    measured = [_measure(o, targets, task) for o in outputs]
    distinct = _distinct(predictions)
    names = [n for n in METRICS if all(n in m for m in measured)]
    draws = dict.fromkeys([goal.name], bootstrap_draws)
    metrics = {n: _summary(METRICS[n], [m[n] for m in measured], distinct, level, draws.get(n, 0)) for n in names}
    table = _confusion(outputs, targets, len(class_names)) if task is Task.CLASSIFICATION else None
    return Score(
        split=split,
        metric=goal.name,
        metrics=metrics,
        n_seeds=len(predictions),
        failed_seeds=sum(p is None for p in predictions),
        n_examples=len(targets),
        baseline=_measure(baseline.predict(len(targets)), targets, task)[goal.name].value,
        classes=() if table is None else confusion.reports(table, _support(targets, class_names), tuple(class_names)),
        confusion=() if table is None else tuple(tuple(int(v) for v in row) for row in table),
    )


def undefined(targets: NDArray[np.generic], task: Task, class_names: Sequence[str]) -> Mapping[str, str]:
    """Metrics of the task that this split cannot have, each with the reason in words."""
    if task is Task.CLASSIFICATION:
        absent = [n for n, s in zip(class_names, _support(targets, class_names), strict=True) if s == 0]
        listed = ", ".join(repr(n) for n in absent[:5]) + (" and others" if len(absent) > 5 else "")
        named = f"no example of class {listed}" if absent else ""
        return {m.name: named for m in METRICS.values() if m.needs_every_class and absent}
    flat = np.asarray(targets, np.float64).reshape(len(targets), -1)
    constant = bool((np.ptp(flat, axis=0) == 0).any())
    return dict.fromkeys(("r2", "spearman"), "a target is the same in every row") if constant else {}


def _checked(name: str, targets: NDArray[np.generic], task: Task, class_names: Sequence[str]) -> Metric:
    metric = METRICS.get(name)
    fitting = [m.name for m in METRICS.values() if m.task is task]
    if metric is None or metric.task is not task:
        raise UsageError(f"{name!r} is no metric for {task.value}.", f"Choose one of: {', '.join(fitting)}.")
    if len(targets) == 0:
        raise DataError("There are no rows to score on.", "Use more data, or a larger share for this split.")
    reasons = undefined(targets, task, class_names)
    if name in reasons:
        hint = f"Choose another metric ({', '.join(n for n in fitting if n not in reasons)}), or use more data."
        raise DataError(f"{name} is not defined on this split: {reasons[name]}.", hint)
    return metric


def _check_shapes(outputs: Sequence[Floats], targets: NDArray[np.generic], task: Task, classes: int) -> None:
    if not outputs:
        raise InternalError("A score needs at least one seed.")
    columns = classes if task is Task.CLASSIFICATION else targets.reshape(len(targets), -1).shape[1]
    for i, o in enumerate(outputs):
        if o.shape != (len(targets), columns) or not np.isfinite(o).all():
            raise InternalError(f"Seed {i}: predictions of shape {o.shape} are not {len(targets)} x {columns} finite.")


def _measure(outputs: Floats, targets: NDArray[np.generic], task: Task) -> dict[str, Measured]:
    if task is Task.REGRESSION:
        return regression.measure(np.asarray(targets, np.float64).reshape(outputs.shape), outputs)
    labels = np.asarray(targets, np.int64)
    probabilities = probability.softmax(outputs)
    found = confusion.measure(labels, outputs.argmax(axis=1), outputs.shape[1])
    found |= probability.measure(labels, probabilities)
    every_class = len(np.unique(labels)) == outputs.shape[1]
    return found | ranking.measure(labels, probabilities) if every_class else found


def _distinct(predictions: Sequence[Predictions | None]) -> tuple[int, ...]:
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


def _summary(
    metric: Metric, seeds: Sequence[Measured], distinct: Sequence[int], level: float, draws: int
) -> MetricSummary:
    values = np.array([s.value for s in seeds])
    different = [seeds[i] for i in distinct]
    beside = bootstrap.percentile(metric, different, level, draws) if draws else None
    return MetricSummary(
        name=metric.name,
        direction=metric.direction,
        mean=float(values.mean()),
        std=float(values.std(ddof=1)) if len(values) > 1 else None,
        min=float(values.min()),
        max=float(values.max()),
        values=tuple(float(v) for v in values),
        interval=intervals.interval(metric, different, level, repeated=len(distinct) < len(seeds)),
        shown_beside=() if beside is None else (beside,),
    )


def _support(targets: NDArray[np.generic], class_names: Sequence[str]) -> Ints:
    return np.bincount(np.asarray(targets, np.int64), minlength=len(class_names)).astype(np.int64)


def _confusion(outputs: Sequence[Floats], targets: NDArray[np.generic], classes: int) -> Ints:
    labels = np.asarray(targets, np.int64)
    table: Ints = np.sum([confusion.matrix(labels, o.argmax(axis=1), classes) for o in outputs], axis=0)
    return table
