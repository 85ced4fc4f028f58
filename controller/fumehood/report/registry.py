"""The machine-readable side of a report: the whole history, and one document of metrics per measurement.

Pure. Every document carries ``schema_version``. ``registry`` loses nothing: its ``run`` is the ``Run`` itself, and
reading it back gives an equal value.
"""

from dataclasses import asdict
from typing import Any

from fumehood.memory.distill import distill
from fumehood.records import Envelope, Iteration, MetricSummary, Remeasured, Run, Score, SeedResult
from fumehood.report import fit, tables
from fumehood.report.conclusion import conclusion, shrinkage
from fumehood.text import json_document

SCHEMA_VERSION = 1


def registry(run: Run) -> str:
    """``experiments/registry.json``."""
    found = conclusion(run)
    return _document(
        conclusion={"kind": found.kind, "headline": found.headline, "sentence": found.sentence, "notes": found.notes},
        validation_to_test_shrinkage=shrinkage(run),
        noise_floor=_noise(run),
        fit=_fit(fit.fit(run)),
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
        fit=_fit_on_validation(iteration.score, iteration.envelope),
        facts=_facts(iteration.envelope),
        claims=_claims(iteration.envelope),
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
    return _document(
        iteration=one.iteration,
        score=_score(one.score),
        fit=_fit_on_validation(one.score, one.envelope),
        facts=_facts(one.envelope),
        claims=_claims(one.envelope),
    )


def final(run: Run) -> str | None:
    """``experiments/evaluations/final.json``: the winner on the sealed test set; None until that is opened."""
    sealed = run.final
    if sealed is None:
        return None
    return _document(
        iteration=sealed.iteration,
        opening=sealed.opening,
        test_digest=sealed.test_digest,
        score=_score(sealed.score),
        fit=_fit(fit.fit(run)),
        validation_to_test_shrinkage=shrinkage(run),
        noise_floor=_noise(run),
    )


def _document(**content: Any) -> str:
    return json_document({"schema_version": SCHEMA_VERSION, **content})


def _score(score: Score | None) -> dict[str, Any] | None:
    return None if score is None else score.model_dump(mode="json")


def _fit_on_validation(score: Score | None, envelope: Envelope) -> dict[str, Any] | None:
    return None if score is None else _fit(fit.of(score, tables.claimed(envelope)))


def _fit(found: fit.Fit | None) -> dict[str, Any] | None:
    """Means alone: the intervals are those of the scores."""
    if found is None:
        return None
    rows = [
        {
            "name": row.name,
            "rows": row.rows,
            "claim": row.claim,
            "values": {n: v.mean if isinstance(v, MetricSummary) else v for n, v in row.values.items()},
        }
        for row in found.rows
    ]
    return {"rows": rows, "gaps": [asdict(gap) for gap in found.gaps]}


def _noise(run: Run) -> dict[str, Any] | None:
    """Of the goal's metric, in its units; None where no finalist was measured again."""
    found = tables.noise(run)
    return None if found is None else {**asdict(found), "unit": found.unit}


def _facts(envelope: Envelope) -> dict[str, Any]:
    """What is known without asking the candidate."""
    claims = {"train_claims": True, "predict_claims": True}
    hidden = claims | {"folds": {"__all__": claims}}
    return {
        "seeds": [seed.model_dump(mode="json", exclude=hidden) for seed in envelope.seeds],
        "rooms": [room.model_dump(mode="json") for room in envelope.rooms],
    }


def _claims(envelope: Envelope) -> dict[str, Any]:
    """What training said of itself, seed by seed, curves epoch by epoch; the rest of its story is in the registry.

    With folds it is that of a seed's first model, or of the one that failed.
    """
    return {"seeds": [_told(seed) for seed in envelope.seeds if seed.train_claims is not None]}


def _told(seed: SeedResult) -> dict[str, Any]:
    told = {"epochs", "train_loss", "held_out_loss", "train_slice", "no_train_slice_because", "own_train", "train_s"}
    claims = seed.train_claims.model_dump(mode="json", include=told) if seed.train_claims else {}
    return {"seed": seed.seed, **claims}
