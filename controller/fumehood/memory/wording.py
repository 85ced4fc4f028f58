"""Insights in words: one or two sentences from what is known about them. Pure, and the same for the same facts."""

from collections.abc import Mapping, Sequence
from typing import Any

from fumehood.records.insight import DataFingerprint, Evidence
from fumehood.rounding import rounded, rounded_interval
from fumehood.text import plain


def result(family: str, title: str, data: DataFingerprint, evidence: Evidence) -> str:
    return (
        f"{plain(family, 60)} ({plain(title, 120)}) reached {measured(evidence)} on validation of"
        f" {plain(data.spec, 120)}: {_rows(data)}."
    )


def pattern(details: Mapping[str, Any], evidence: Sequence[Evidence]) -> str:
    """``details`` as ``distill`` makes them."""
    family, kind = plain(str(details["family"]), 60), plain(str(details["data_kind"]), 120)
    runs = len({one.run_id for one in evidence})
    base = "evidence from one run only" if runs == 1 else f"evidence from {runs} runs"
    says = "did well" if details["verdict"] == "well" else "was clearly behind other families"
    best = "; ".join(measured(one) for one in list(evidence)[-3:])
    return f"On {kind}, {family} {says} ({base}): {best}."


def failure(details: Mapping[str, Any]) -> str:
    noted = details.get("runs")
    runs = max(1, len(noted)) if isinstance(noted, list | tuple) else 1
    seen = "in one run" if runs == 1 else f"in {runs} runs"
    cause = f": {plain(str(details['cause']), 200)}" if details.get("cause") else ""
    kind = plain(str(details["failure_kind"]), 40)
    return f"{plain(str(details['family']), 60)} failed with {kind}{cause} (seen {seen})."


def decision(number: int, family: str, candidates: int, stopped: str, data: DataFingerprint) -> str:
    won = f"candidate {number} ({plain(family, 60)}) won"
    return f"On {plain(data.spec, 120)}, {won}. The search stopped after {candidates} candidates: {stopped}."


def measured(evidence: Evidence) -> str:
    """No finer than its noise: these words reach planners, and the exact numbers are in the evidence."""
    seeds = f"{evidence.n_seeds} seed{'s' if evidence.n_seeds != 1 else ''}"
    interval = rounded_interval(evidence)
    ends = "" if interval is None else f" [{interval[0]:.4g}, {interval[1]:.4g}]"
    return f"{evidence.metric} {rounded(evidence):.4g}{ends} over {seeds}"


def _rows(data: DataFingerprint) -> str:
    shape = " x ".join(str(n) for n in data.input_shape)
    return f"{data.input_kind} {data.task}, {data.rows} training rows, inputs {shape}, {data.num_outputs} outputs"
