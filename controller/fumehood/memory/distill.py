"""What is worth remembering of a run: insights from its records. Pure, and the same whenever it is done again.

Everything rests on validation; the sealed test has no part in it. Texts of rooms enter only as normalised causes of
failures (``causes``). One run is evidence of one run: where others found the same, ``hygiene`` unites them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from fumehood.memory import causes, wording
from fumehood.memory.likeness import fingerprint, kind_of_data
from fumehood.records import Envelope, Iteration, MetricSummary, Phase, Plan, Run, Score
from fumehood.records.insight import DataFingerprint, Evidence, Insight, Kind


def distill(run: Run) -> tuple[Insight, ...]:
    """Result, patterns, failures and decision of a run; nothing of one whose data were never prepared."""
    if run.dataset is None:
        return ()
    data = fingerprint(run.dataset)
    return (*_result(run, data), *_patterns(run, data), *_failures(run, data), *_decision(run, data))


def _result(run: Run, data: DataFingerprint) -> Iterator[Insight]:
    """The winner, as it was measured last: on fresh seeds where it was tried again."""
    best = run.best()
    score = None if best is None else _validated(run, best)
    if best is None or score is None:
        return
    evidence = _evidence(run, best.number, score)
    yield _insight(
        run, Kind.RESULT, ("winner",), best, data,
        text=wording.result(best.plan.family, best.plan.title, data, evidence),
        importance=0.8 if _beats_baseline(score) else 0.5,
        evidence=(evidence,),
        details={
            **_of_plan(best.plan),
            "beats_first_start": _beats_first_start(run, score),
            "most_done": _most_done(run),
        },
    )  # fmt: skip


def _patterns(run: Run, data: DataFingerprint) -> Iterator[Insight]:
    """Which families did well, and which were clearly behind."""
    best: dict[str, tuple[Iteration, Score]] = {}
    for iteration in run.iterations:
        score = _validated(run, iteration)
        family = iteration.plan.family
        if score is not None and (family not in best or _is_better(score.primary, best[family][1].primary)):
            best[family] = iteration, score
    if not best:
        return
    leader = next(iter(best.values()))
    for pair in best.values():
        leader = pair if _is_better(pair[1].primary, leader[1].primary) else leader
    for family, (iteration, score) in best.items():
        verdict = _verdict(score, leader[1])
        if verdict is None:
            continue
        evidence = (_evidence(run, iteration.number, score),)
        details = {
            **_of_plan(iteration.plan),
            "data_kind": kind_of_data(data),
            "metric": score.metric,
            "verdict": verdict,
            "beats_first_start": _beats_first_start(run, score),
            "runs": [run.run_id],
        }
        yield _insight(
            run, Kind.PATTERN, (family,), iteration, data,
            text=wording.pattern(details, evidence), importance=0.6 if verdict == "well" else 0.45,
            evidence=evidence, details=details,
        )  # fmt: skip


def _failures(run: Run, data: DataFingerprint) -> Iterator[Insight]:
    """One for every signature: kind of failure, normalised cause, and configuration."""
    seen = set()
    for iteration in run.iterations:
        failure = iteration.envelope.failure
        if failure is None:
            continue
        details = {
            **_of_plan(iteration.plan),
            "failure_kind": failure.kind.value,
            "cause": causes.of(iteration.envelope),
            "limits": _limits(iteration.envelope),
            "runs": [run.run_id],
        }
        signature = (details["failure_kind"], details["cause"], details["configuration"])
        if signature in seen:
            continue
        seen.add(signature)
        yield _insight(
            run, Kind.FAILURE, signature, iteration, data,
            text=wording.failure(details), importance=0.6, evidence=(), details=details,
        )  # fmt: skip


def _decision(run: Run, data: DataFingerprint) -> Iterator[Insight]:
    """Which candidate won among how many, and why the search stopped."""
    best = run.best()
    if best is None or run.stopped_because is None:
        return
    details = {
        "family": best.plan.family,
        "stopped_because": run.stopped_because.value,
        "candidates": len(run.iterations),
    }
    yield _insight(
        run, Kind.DECISION, ("winner",), best, data,
        text=wording.decision(best.number, best.plan.family, len(run.iterations), run.stopped_because.value, data),
        importance=0.3, evidence=(), details=details,
    )  # fmt: skip


def _insight(
    run: Run,
    kind: Kind,
    name: Sequence[str],
    iteration: Iteration,
    data: DataFingerprint,
    *,
    text: str,
    importance: float,
    evidence: tuple[Evidence, ...],
    details: Mapping[str, Any],
) -> Insight:
    return Insight(
        id=_digest(kind.value, run.run_id, *name)[:32],
        kind=kind,
        text=text,
        importance=importance,
        created_at=run.started_at,
        phase=_phase(iteration),
        run_id=run.run_id,
        iteration=iteration.number,
        data=data,
        evidence=evidence,
        details=dict(details),
    )


def _phase(iteration: Iteration) -> Phase:
    """Where the run stood when the candidate was proposed."""
    if iteration.number == 1:
        return Phase.PLANNING
    moves = {"draft": Phase.ARCHITECTURE, "improve": Phase.OPTIMIZATION, "fix": Phase.EVALUATION}
    return moves[iteration.plan.move]


def _limits(envelope: Envelope) -> dict[str, float]:
    """What the train rooms had: where training was ended by one of these, that is its value."""
    trained = [room for room in envelope.rooms if room.role == "train"]
    memory = [room.inspected.memory for room in trained if room.inspected]
    return {"wall_s": max((room.wall_s for room in trained), default=0.0), "memory": max(memory, default=0)}


def _beats_first_start(run: Run, score: Score) -> bool | None:
    """Whether a candidate beat the first built-in start by all of its interval; None where that was not tried."""
    first = next((one for one in run.iterations if one.plan.params.get("start") == 0), None)
    if first is None:
        return None
    if first.score is None:
        return True
    ours, mean = score.primary, first.score.primary.mean
    low, high = (ours.interval.low, ours.interval.high) if ours.interval else (ours.mean, ours.mean)
    return low > mean if ours.direction == "max" else high < mean


def _most_done(run: Run) -> dict[str, dict[str, float]]:
    """By family, the most of every cost that was estimated for a training that came to its end."""
    most: dict[str, dict[str, float]] = {}
    for one in run.iterations:
        cost = one.plan.params.get("cost")
        if one.score is None or not isinstance(cost, Mapping):
            continue
        known = most.setdefault(one.plan.family, {})
        for name, value in cost.items():
            if isinstance(value, int | float):
                known[name] = max(known.get(name, 0.0), float(value))
    return most


def _of_plan(plan: Plan) -> dict[str, Any]:
    """What a planner needs to propose it again, or to avoid it."""
    settings = plan.params.get("settings")
    settings = dict(settings) if isinstance(settings, Mapping) else {}
    return {
        "family": plan.family,
        "settings": settings,
        "recipe": plan.recipe,
        "model_config": plan.model_config_,
        "planner": plan.params.get("planner"),
        "cost": plan.params.get("cost"),
        "configuration": _configuration(plan, settings),
    }


def _configuration(plan: Plan, settings: Mapping[str, Any]) -> str:
    """A fingerprint: equal for plans that are configured alike, whatever they are called."""
    layers = plan.model_config_.get("layers") if plan.model_config_ else plan.design
    return _digest(plan.family, dict(settings) or [layers, plan.recipe])


def _validated(run: Run, iteration: Iteration) -> Score | None:
    """The candidate's score on validation: that of its fresh seeds, where there is one."""
    fresh = next((one.score for one in run.remeasured if one.iteration == iteration.number), None)
    return fresh or iteration.score


def _evidence(run: Run, number: int, score: Score) -> Evidence:
    primary = score.primary
    return Evidence(
        run_id=run.run_id,
        iteration=number,
        metric=score.metric,
        direction=primary.direction,
        mean=primary.mean,
        interval=primary.interval,
        n_seeds=score.n_seeds,
        baseline=score.baseline,
    )


def _verdict(score: Score, leader: Score) -> str | None:
    """``well``, ``behind``, or None where the numbers say neither."""
    ours, best = score.primary.interval, leader.primary.interval
    if score is not leader and ours and best and (ours.high < best.low or best.high < ours.low):
        return "behind"
    is_close = score is leader or (ours is not None and best is not None)
    return "well" if is_close and _beats_baseline(score) else None


def _beats_baseline(score: Score) -> bool:
    """By all of its interval, where it has one."""
    primary = score.primary
    low = primary.interval.low if primary.interval else primary.mean
    high = primary.interval.high if primary.interval else primary.mean
    return low > score.baseline if primary.direction == "max" else high < score.baseline


def _is_better(one: MetricSummary, other: MetricSummary) -> bool:
    return one.mean > other.mean if one.direction == "max" else one.mean < other.mean


def _digest(*parts: Any) -> str:
    return sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
