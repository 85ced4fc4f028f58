"""Trying one candidate: its first seeds, and the others where those could still make it the best.

A candidate that is clearly worse than the one to beat gets no more seeds (``scoring.racing`` has the rule). Seeds that
train at the same time anyway cost no time, so racing begins with as many as do: nobody waits for it.
"""

from dataclasses import dataclass
from pathlib import Path

from fumehood.evidence import Tried
from fumehood.executors import Executor, Job
from fumehood.laboratory import Laboratory
from fumehood.records import Envelope
from fumehood.scoring.noise import SeedSpread


@dataclass(frozen=True)
class Rival:
    """The candidate to beat, and how much the scores of those that were best before it spread over seeds."""

    tried: Tried
    spread: SeedSpread | None


def trial(executor: Executor, laboratory: Laboratory, job: Job, into: Path, rival: Rival | None) -> Envelope:
    """Train and predict with the seeds of ``job``, in one stage or two; files as ``Executor.evaluate`` says.

    Without a ``rival`` every seed is tried. First seeds that all fail are the last ones too.
    """
    first = executor.at_once(job)
    if rival is None or first >= len(job.seeds):
        return _noted(executor.evaluate(job, into), job)
    begun = executor.evaluate(job.model_copy(update={"seeds": job.seeds[:first]}), into)
    tried = Tried(begun, into / "predictions")
    if begun.failure or laboratory.clearly_worse(tried, rival.tried, planned=len(job.seeds), spread=rival.spread):
        return _noted(begun, job)
    rest = executor.evaluate(job.model_copy(update={"seeds": job.seeds[first:]}), into)
    return _noted(joined(begun, rest), job)


def again(executor: Executor, job: Job, then: Envelope, into: Path) -> Envelope:
    """The same seeds in the same stages as ``then``, because what shares a room decides about last digits."""
    seeds = iter(job.seeds)
    stages = [tuple(next(seeds) for _ in range(count)) for count in then.stages or (len(then.seeds),)]
    first, *others = (executor.evaluate(job.model_copy(update={"seeds": stage}), into) for stage in stages)
    for other in others:
        first = joined(first, other)
    return first


def joined(first: Envelope, second: Envelope) -> Envelope:
    """Two stages of one candidate."""
    return first.model_copy(
        update={
            "seeds": (*first.seeds, *second.seeds),
            "rooms": (*first.rooms, *second.rooms),
            "log_tail": "\n".join(filter(None, (first.log_tail, second.log_tail))),
            "stages": (len(first.seeds), len(second.seeds)),
        }
    )


def _noted(envelope: Envelope, job: Job) -> Envelope:
    stages = envelope.stages or (len(envelope.seeds),)
    return envelope.model_copy(update={"stages": stages, "planned": len(job.seeds)})
