"""How closely a candidate fits, from rows that it learned from to rows that nothing was chosen by. Pure.

What a candidate says of its training rows is a claim; validation and sealed test are measured. Means over seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from fumehood.records import MetricSummary, Run, Score
from fumehood.report import tables
from fumehood.report.conclusion import winner
from fumehood_shared.messages import TrainSlice, WorkerReport

_SHOWN = ("log_loss", "accuracy", "rmse", "r2")
"""What a train slice is measured in; the goal's metric is shown beside."""


@dataclass(frozen=True)
class FitRow:
    """One set of rows; ``values`` by metric: a mean of claims, or what was measured with its interval."""

    name: str
    rows: int
    claim: bool
    values: Mapping[str, MetricSummary | float]


@dataclass(frozen=True)
class Gap:
    """By how much the later of two sets of rows is worse, by metric; below 0 it is better."""

    name: str
    claim: bool
    """Whether one side of it is a claim."""
    values: Mapping[str, float]


@dataclass(frozen=True)
class Fit:
    metrics: tuple[str, ...]
    rows: tuple[FitRow, ...]
    gaps: tuple[Gap, ...]
    unsaid: str
    """The first reason why a seed left no train slice, its own words; empty where all did, or none was given."""


def fit(run: Run) -> Fit | None:
    """The winner's, or the incumbent's before the seal is opened; None where there is none."""
    won = winner(run)
    if won is None or won.score is None:
        return None
    return of(won.score, tables.claimed(won.envelope), run.final.score if run.final else None)


def of(score: Score, reports: Sequence[WorkerReport], final: Score | None = None) -> Fit:
    """From a candidate's score on validation, its training workers' ``reports``, and its score on the sealed test."""
    slices = [one.train_slice for one in reports if one.train_slice is not None]
    rows = [_claimed(slices)] if slices else []
    rows += [_measured("validation", score), *([_measured("sealed test", final)] if final else [])]
    seen = [name for name in _SHOWN if any(name in row.values for row in rows)]
    return Fit(
        metrics=tuple(dict.fromkeys([*seen, score.metric])),
        rows=tuple(rows),
        gaps=tuple(_gap(before, after) for before, after in pairwise(rows)),
        unsaid=next((one.no_train_slice_because for one in reports if one.no_train_slice_because), ""),
    )


def _claimed(slices: Sequence[TrainSlice]) -> FitRow:
    classes = any(one.accuracy is not None for one in slices)
    told = {
        "log_loss" if classes else "rmse": [one.loss for one in slices],
        "accuracy" if classes else "r2": [one.accuracy if classes else one.r2 for one in slices],
    }
    known = {name: [v for v in values if v is not None] for name, values in told.items()}
    means = {name: fmean(values) for name, values in known.items() if values}
    return FitRow("train slice", max(one.rows for one in slices), True, means)


def _measured(name: str, score: Score) -> FitRow:
    wanted = [metric for metric in dict.fromkeys([*_SHOWN, score.metric]) if metric in score.metrics]
    return FitRow(name, score.n_examples, False, {metric: score.metrics[metric] for metric in wanted})


def _gap(before: FitRow, after: FitRow) -> Gap:
    worse = {}
    for name, found in after.values.items():
        if name in before.values and isinstance(found, MetricSummary):  # a claim is the first row, if any
            more = found.mean - _mean(before.values[name])
            worse[name] = more if found.direction == "min" else -more
    return Gap(f"{before.name} to {after.name}", before.claim or after.claim, worse)


def _mean(value: MetricSummary | float) -> float:
    return value.mean if isinstance(value, MetricSummary) else value
