"""The machine-readable side of a report: the whole history, and one document of metrics per measurement.

Pure. Every document carries ``schema_version``. ``registry`` loses nothing: its ``run`` is the ``Run`` itself, and
reading it back gives an equal value.
"""

from typing import Any

from fumehood.memory.distill import distill
from fumehood.records import Envelope, Iteration, Remeasured, Run, Score, Sealed
from fumehood.report.conclusion import conclusion, shrinkage
from fumehood.text import json_document

SCHEMA_VERSION = 1


def registry(run: Run) -> str:
    """``experiments/registry.json``."""
    found = conclusion(run)
    return _document(
        conclusion={"kind": found.kind, "headline": found.headline, "sentence": found.sentence, "notes": found.notes},
        validation_to_test_shrinkage=shrinkage(run),
        run=run.model_dump(mode="json"),
    )


def evaluation(iteration: Iteration) -> str:
    """``experiments/evaluations/NNN.json``: one candidate on validation."""
    return _document(
        iteration=iteration.number,
        family=iteration.plan.family,
        title=iteration.plan.title,
        source_digest=iteration.source_digest,
        decision=iteration.decision.model_dump(mode="json"),
        score=_score(iteration.score),
        facts=_facts(iteration.envelope),
    )


def baselines(run: Run) -> str | None:
    """``experiments/evaluations/baselines.json``: what plain scikit-learn reaches; None where none was fitted."""
    if run.baselines is None:
        return None
    tested = run.baseline_final
    return _document(
        baselines=run.baselines.model_dump(mode="json"), test=tested.model_dump(mode="json") if tested else None
    )


def memory(run: Run) -> str | None:
    """``experiments/memory_insights.json``: what was recalled, and what the run has to tell; None without memory."""
    if run.settings.memory is None:
        return None
    return _document(
        recalled=[one.model_dump(mode="json") for one in run.recollections],
        remembered=run.remembered.model_dump(mode="json") if run.remembered else None,
        insights=[one.model_dump(mode="json") for one in distill(run)],
    )


def finalist(one: Remeasured) -> str:
    """``experiments/evaluations/NNN-fresh.json``: a finalist on validation, on fresh seeds."""
    return _document(iteration=one.iteration, score=_score(one.score), facts=_facts(one.envelope))


def final(sealed: Sealed) -> str:
    """``experiments/evaluations/final.json``: the winner on the sealed test set."""
    return _document(
        iteration=sealed.iteration,
        opening=sealed.opening,
        test_digest=sealed.test_digest,
        score=_score(sealed.score),
    )


def _document(**content: Any) -> str:
    return json_document({"schema_version": SCHEMA_VERSION, **content})


def _score(score: Score | None) -> dict[str, Any] | None:
    return None if score is None else score.model_dump(mode="json")


def _facts(envelope: Envelope) -> dict[str, Any]:
    """What is known without asking the candidate; its own claims stay in the registry."""
    claims = {"train_claims", "predict_claims"}
    return {
        "seeds": [seed.model_dump(mode="json", exclude=claims) for seed in envelope.seeds],
        "rooms": [room.model_dump(mode="json") for room in envelope.rooms],
    }
