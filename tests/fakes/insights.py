"""Insights, fingerprints and evidence with usual values, each of which a test may set otherwise."""

import itertools
from typing import Any

from fumehood.memory import wording
from fumehood.records import Interval, Phase
from fumehood.records.insight import DataFingerprint, Evidence, Insight, Kind

_NUMBERS = itertools.count(1)


def data(**changes: Any) -> DataFingerprint:
    usual: dict[str, Any] = {
        "spec": "digits",
        "task": "classification",
        "input_kind": "image",
        "input_shape": (1, 8, 8),
        "num_outputs": 10,
        "rows": 1078,
        "source_digest": "digits",
    }
    return DataFingerprint(**(usual | changes))


TABLE = data(spec="wine", input_kind="tabular", input_shape=(13,), num_outputs=3, rows=106, source_digest="wine")


def evidence(mean: float = 0.95, spread: float | None = 0.01, run: str = "run-1", **changes: Any) -> Evidence:
    interval = None if spread is None else Interval(low=mean - spread, high=mean + spread, level=0.95, method="t")
    usual: dict[str, Any] = {
        "run_id": run,
        "iteration": 1,
        "metric": "accuracy",
        "direction": "max",
        "mean": mean,
        "interval": interval,
        "n_seeds": 3,
        "baseline": 0.1,
    }
    return Evidence(**(usual | changes))


def insight(text: str = "A residual network did well.", **changes: Any) -> Insight:
    usual: dict[str, Any] = {
        "id": f"{next(_NUMBERS):032x}",
        "kind": Kind.NOTE,
        "text": text,
        "importance": 0.5,
        "created_at": "2026-11-20T10:00:00+00:00",
        "phase": Phase.PLANNING,
    }
    return Insight(**(usual | changes))


def result(mean: float = 0.95, run: str = "run-1", configuration: str = "c1", **changes: Any) -> Insight:
    found = evidence(mean, run=run)
    about = changes.pop("data", data())
    details = {"family": "cnn", "settings": {"width": 32}, "configuration": configuration}
    usual: dict[str, Any] = {
        "kind": Kind.RESULT,
        "data": about,
        "evidence": (found,),
        "run_id": run,
        "details": details,
    }
    return insight(**({"text": wording.result("cnn", "a cnn", about, found)} | usual | changes))


def pattern(verdict: str = "well", run: str = "run-1", mean: float = 0.95, **changes: Any) -> Insight:
    details = {"family": "cnn", "data_kind": "image classification", "metric": "accuracy", "verdict": verdict}
    found = (evidence(mean, run=run),)
    usual: dict[str, Any] = {
        "kind": Kind.PATTERN,
        "text": wording.pattern(details, found),
        "details": details,
        "evidence": found,
        "run_id": run,
        "data": data(),
    }
    return insight(**(usual | changes))


def failure(kind: str = "oom", run: str = "run-1", configuration: str = "c1", **changes: Any) -> Insight:
    details = {"family": "cnn", "failure_kind": kind, "cause": "", "settings": {}, "configuration": configuration}
    usual: dict[str, Any] = {
        "kind": Kind.FAILURE,
        "text": wording.failure(details),
        "details": details,
        "run_id": run,
        "data": data(),
        "phase": Phase.EVALUATION,
    }
    return insight(**(usual | changes))
