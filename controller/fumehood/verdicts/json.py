"""The verdict for programs: one JSON document, on one line.

``facts`` come from the engine, the controller's clock and the bytes; ``claims`` are the candidate's own story.
"""

from typing import Any, TextIO

from fumehood.records import Dataset, Score, SeedResult
from fumehood.text import json_document
from fumehood.verdicts.checked import Checked, Rejection

SCHEMA_VERSION = 1


def write(found: Checked, stream: TextIO) -> None:
    stream.write(json_document({"schema_version": SCHEMA_VERSION, **document(found)}, indent=None))


def document(found: Checked) -> dict[str, Any]:
    return {
        "verdict": found.verdict.value,
        "score": _score(found.score),
        "seeds": _seeds(found),
        "facts": _facts(found),
        "claims": _claims(found),
        "rejections": [_rejection(one) for one in found.rejections],
        "flags": [flag.model_dump() for flag in found.flags],
        "exit_code": found.exit_code,
        **({"error": found.stopped.model_dump()} if found.stopped else {}),
    }


def _score(score: Score | None) -> dict[str, Any] | None:
    if score is None:
        return None
    interval = score.primary.interval
    return {
        "metric": score.metric,
        "mean": score.primary.mean,
        "interval": [interval.low, interval.high] if interval else None,
        "split": score.split,
        "n_seeds": score.n_seeds,
    }


def _seeds(found: Checked) -> list[dict[str, Any]]:
    """``value``: the goal's metric; a seed that failed scores as the baseline."""
    seeds = found.envelope.seeds if found.envelope else ()
    values = found.score.primary.values if found.score else (None,) * len(seeds)
    return [_seed(seed, value) for seed, value in zip(seeds, values, strict=True)]


def _seed(seed: SeedResult, value: float | None) -> dict[str, Any]:
    return {
        "seed": seed.seed,
        "value": value,
        "failure": seed.failure.kind.value if seed.failure else None,
        "parameters": seed.parameters,
        "predictions_digest": seed.predictions_digest,
        "weights_digest": seed.weights_digest,
        "folds": [model.weights_digest for model in seed.folds],
    }


def _facts(found: Checked) -> dict[str, Any]:
    candidate, goal = found.candidate, found.goal
    return {
        "candidate": {"path": candidate.path, "bytes": len(candidate.content), "sha256": candidate.digest},
        "data": _data(found.dataset) if found.dataset else {"spec": found.data},
        "policy": {"name": found.policy, "isolate_seeds": found.isolated},
        "image": found.image.model_dump() if found.image else None,
        "minimum": goal.target if goal else None,
        "direction": goal.direction if goal else None,
        "measured": _measured(found.score) if found.score else None,
        "opening": found.opening,
        "parameters": found.parameters,
        "rooms": [room.model_dump(mode="json") for room in found.rooms],
        "data_kept_since": found.kept_since or None,
        "wall_s": found.wall_s,
    }


def _data(dataset: Dataset) -> dict[str, Any]:
    return {
        "spec": dataset.spec,
        "task": dataset.task.value,
        "rows": {split: dataset.rows(split) for split in ("train", "validation", "test")},
        "split_seed": dataset.split_seed,
        "folds": len(dataset.folds),
        "subset": dataset.subset,
        "source_digest": dataset.source_digest,
        "test_digest": dataset.digests["test_inputs"],
    }


def _measured(score: Score) -> dict[str, Any]:
    """What goes with the score: where it comes from, and every other metric of the task."""
    return {
        "baseline": score.baseline,
        "n_examples": score.n_examples,
        "failed_seeds": score.failed_seeds,
        "metrics": {name: summary.model_dump(mode="json") for name, summary in score.metrics.items()},
        "undefined": score.undefined,
    }


def _claims(found: Checked) -> dict[str, Any]:
    envelope = found.envelope
    if envelope is None:
        return {"seeds": [], "log_tail": ""}
    told = {"seed", "train_claims", "predict_claims"}
    return {
        "seeds": [seed.model_dump(mode="json", include=told) for seed in envelope.seeds],
        "log_tail": envelope.log_tail,
    }


def _rejection(one: Rejection) -> dict[str, Any]:
    return {"kind": one.kind, "reason": one.reason, "seeds": list(one.seeds), "line": one.line}
