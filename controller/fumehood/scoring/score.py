"""From predictions and labels to a ``Score``: every metric the task has, with intervals. Pure.

What always holds: one value per seed, failed seeds included, which score as the baseline predictor; the goal's metric
is in the result or a ``DataError`` says why it cannot be; another metric that the split does not define is in
``Score.undefined`` with the reason.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fumehood.errors import DataError
from fumehood.records import Interval, MetricSummary, Score
from fumehood.scoring import bootstrap, classes, intervals, probability, seeds
from fumehood.scoring.baseline import Baseline
from fumehood.scoring.measured import Floats, Ints, Measured
from fumehood.scoring.metrics import METRICS, Metric, for_task
from fumehood.scoring.seeds import Predictions
from fumehood_shared.messages import Task


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
    tracked: Sequence[str] | None = None,
    by_class: bool = True,
    bootstrap_draws: int = bootstrap.DRAWS,
) -> Score:
    """Measure one candidate on one split.

    ``predictions``: one entry per seed, N x C logits or N x T values, None where the seed failed. ``targets``: int N
    (classification; indices into ``class_names``) or float N x T or N. ``metric``: the goal's, a key of ``METRICS``;
    it alone gets other intervals beside its own: Satterthwaite's t, the percentile and the BCa bootstrap; none where
    ``bootstrap_draws`` is 0. ``tracked``: other metrics that are wanted; None is all that the task has.
    ``by_class``: whether to look at classes, mistakes and calibration.
    Raises UsageError for a metric of another task, DataError for a goal's that the split does not define,
    InternalError for arrays that do not fit together (rooms' output is checked before it comes here).
    """
    goal = expect_defined(metric, targets, task=task, split=split, class_names=class_names)
    outputs = seeds.outputs(predictions, targets, baseline, seeds.columns(targets, task, class_names))
    measured = [seeds.measure(o, targets, task) for o in outputs]
    distinct = seeds.distinct(predictions)
    of_task = {m.name for m in METRICS.values() if m.task is task}
    wanted = of_task if tracked is None else {goal.name, *(for_task(n, task).name for n in tracked)}
    missing = {n: why for n, why in undefined(targets, task, class_names).items() if n in wanted}
    names = [n for n in METRICS if n in wanted and n not in missing]
    has_classes = by_class and task is Task.CLASSIFICATION
    draws = dict.fromkeys([goal.name], bootstrap_draws)
    metrics = {n: _summary(METRICS[n], [m[n] for m in measured], distinct, level, draws.get(n, 0)) for n in names}
    return Score(
        split=split,
        metric=goal.name,
        metrics=metrics,
        undefined=missing,
        n_seeds=len(predictions),
        failed_seeds=sum(p is None for p in predictions),
        n_examples=len(targets),
        baseline=seeds.measure_one(goal.name, baseline.predict(len(targets)), targets, task).value,
        **(_by_class(outputs, targets, distinct, class_names, level) if has_classes else {}),
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


def expect_defined(
    name: str,
    targets: NDArray[np.generic],
    *,
    task: Task,
    split: Literal["validation", "test"],
    class_names: Sequence[str],
) -> Metric:
    """The metric ``name``, which these rows define whatever is predicted for them; arguments as of ``score``.

    Raises UsageError for a metric of another task, DataError for one that the split does not define.
    """
    metric = for_task(name, task)
    if len(targets) == 0:
        raise DataError(f"There are no {split} rows to score on.", "Use more data, or a larger share for this split.")
    reasons = undefined(targets, task, class_names)
    if name in reasons:
        others = ", ".join(m.name for m in METRICS.values() if m.task is task and m.name not in reasons)
        hint = f"Start again with another split, with more data, or with another metric: {others}."
        raise DataError(f"{name} is not defined on the {split} rows: {reasons[name]}.", hint)
    return metric


def _summary(
    metric: Metric, measured: Sequence[Measured], distinct: Sequence[int], level: float, draws: int
) -> MetricSummary:
    values = np.array([m.value for m in measured])
    different = [measured[i] for i in distinct]
    beside = _beside(metric, different, level, draws) if draws else ()
    return MetricSummary(
        name=metric.name,
        direction=metric.direction,
        mean=float(values.mean()),
        std=float(values.std(ddof=1)) if len(values) > 1 else None,
        min=float(values.min()),
        max=float(values.max()),
        values=tuple(float(v) for v in values),
        interval=intervals.interval(metric, different, level, repeated=len(distinct) < len(measured)),
        shown_beside=beside,
    )


def _beside(metric: Metric, different: Sequence[Measured], level: float, draws: int) -> tuple[Interval, ...]:
    single_t = intervals.satterthwaite(metric, different, level)
    return (*(() if single_t is None else (single_t,)), *bootstrap.intervals(metric, different, level, draws))


def _support(targets: NDArray[np.generic], class_names: Sequence[str]) -> Ints:
    return np.bincount(np.asarray(targets, np.int64), minlength=len(class_names)).astype(np.int64)


def _by_class(
    outputs: Sequence[Floats],
    targets: NDArray[np.generic],
    distinct: Sequence[int],
    names: Sequence[str],
    level: float,
) -> dict[str, Any]:
    """The fields of a ``Score`` that only classification has."""
    labels, predicted = np.asarray(targets, np.int64), [o.argmax(axis=1) for o in outputs]
    return {
        "classes": classes.reports(labels, predicted, distinct, names, level),
        "confusion": tuple(tuple(row) for row in classes.matrix(labels, predicted, len(names)).tolist()),
        "mistakes": classes.mistakes(labels, predicted, distinct, names, level),
        "calibration": probability.calibration(labels, outputs, distinct, level),
    }
