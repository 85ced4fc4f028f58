"""The rows of every table that a report or a terminal shows, worked out once from a ``Run``.

Pure. Text from rooms, plans and data files is carried as it is: each sink escapes it. ``facts`` come from the engine
and the controller; ``claims`` are candidates' own stories, and no row mixes the two.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from fumehood.records import Envelope, Iteration, MetricSummary, RoomFacts, Run, Score, SeedResult
from fumehood.report import words
from fumehood.report.conclusion import winner
from fumehood_shared.messages import Failure, Recipe, WorkerReport

if TYPE_CHECKING:
    from fumehood.scoring.noise import NoiseFloor

_CURVE_ROWS = 12
"""Epochs that a thinned learning curve shows."""
DECISIONS = {"keep": "kept", "discard": "discarded"}


@dataclass(frozen=True)
class IterationRow:
    number: int
    family: str
    title: str
    measured: MetricSummary | None
    """The goal's metric on validation; None where every seed failed."""
    failed: str
    """The kind of failure where every seed failed, else empty."""
    seeds: str
    """``3 of 3``: seeds that gave predictions, of all that were planned."""
    parameters: int | None
    wall_s: float
    """Sum over the iteration's rooms, from start signal to end."""
    decision: str
    reason: str
    leads: bool
    """It is the winner, or the incumbent of a run that has none yet."""


@dataclass(frozen=True)
class FailureRow:
    kind: str
    seeds: int
    iterations: tuple[int, ...]
    message: str
    """Of the first such failure."""


@dataclass(frozen=True)
class RoleRow:
    """All rooms of one role."""

    role: str
    rooms: int
    wall_s: float
    ready_s: float
    """Median time from the request for a room to its accepted attestation."""
    peak_memory_bytes: int | None
    output_bytes: int
    oom_killed: int


@dataclass(frozen=True)
class FinalistRow:
    """The goal's metric on validation; ``fresh`` None where every fresh seed failed."""

    number: int
    searched: MetricSummary
    fresh: MetricSummary | None
    mean: float
    """Over the seeds of the search and the fresh ones."""


@dataclass(frozen=True)
class SplitRow:
    name: str
    rows: int
    use: str


@dataclass(frozen=True)
class CurveRow:
    """One epoch over the seeds that reached it: claims."""

    epoch: int
    seeds: int
    median: float
    low: float
    high: float
    held_out: float | None
    """Median loss on rows kept back to stop early; None where no seed kept any."""


def iteration_row(one: Iteration, leads: bool = False) -> IterationRow:
    good = sum(seed.failure is None for seed in one.envelope.seeds)
    return IterationRow(
        number=one.number,
        family=one.plan.family,
        title=one.plan.title,
        measured=one.score.primary if one.score else None,
        failed="" if one.score else _failed(one),
        seeds=f"{good} of {one.envelope.planned or len(one.envelope.seeds)}",
        parameters=parameters(one),
        wall_s=sum(room.wall_s for room in one.envelope.rooms),
        decision=DECISIONS[one.decision.verdict],
        reason=one.decision.reason,
        leads=leads,
    )


def iterations(run: Run) -> tuple[IterationRow, ...]:
    leader = winner(run)
    return tuple(iteration_row(one, leader is not None and one.number == leader.number) for one in run.iterations)


def parameters(one: Iteration) -> int | None:
    """Largest number of parameters over the seeds, from the weights files: a fact."""
    known = [seed.parameters for seed in one.envelope.seeds if seed.parameters is not None]
    return max(known, default=None)


def failures(run: Run) -> tuple[FailureRow, ...]:
    """Failed seeds by kind, most frequent first."""
    found = [(one.number, seed.failure) for one in run.iterations for seed in one.envelope.seeds if seed.failure]
    kinds = Counter(failure.kind for _, failure in found)
    return tuple(_failure_row(kind.value, [f for f in found if f[1].kind == kind]) for kind, _ in kinds.most_common())


def finalists(run: Run) -> tuple[FinalistRow, ...]:
    """In the order in which they were measured again."""
    return tuple(_finalists(run))


def _finalists(run: Run) -> Iterator[FinalistRow]:
    for one in run.remeasured:
        searched = run.iterations[one.iteration - 1].score
        if searched is not None:
            fresh = one.score.primary if one.score else None
            values = (*searched.primary.values, *(fresh.values if fresh else ()))
            yield FinalistRow(one.iteration, searched.primary, fresh, sum(values) / len(values))


def noise(run: Run) -> "NoiseFloor | None":
    """Of the goal's metric, from the finalists' repetitions; None where there are none."""
    from fumehood.scoring.noise import noise_floor

    rows = finalists(run)
    repeated = [(*row.searched.values, *(row.fresh.values if row.fresh else ())) for row in rows]
    return noise_floor(repeated, seeds=run.settings.num_seeds, level=run.settings.confidence_level)


def rooms(run: Run) -> tuple[RoleRow, ...]:
    return room_rows([room for one in run.iterations for room in one.envelope.rooms])


def room_rows(seen: Sequence[RoomFacts]) -> tuple[RoleRow, ...]:
    """One row for each role that rooms were ``seen`` in."""
    roles = ("prepare", "train", "predict")
    return tuple(_role_row(role, of) for role in roles if (of := [room for room in seen if room.role == role]))


def splits(run: Run) -> tuple[SplitRow, ...]:
    uses = {
        "train": "candidates train on it",
        "validation": "its labels stay with the controller and drive the search",
        "test": "sealed; opened once, for the winner, at the end",
    }
    data = run.dataset
    if data is None:
        return ()
    if data.folds:
        uses["train"] = "all rows but a fold and the test's; a model for each fold is trained on them"
        uses["validation"] = "all rows but the test's, predicted by models not trained on them; drives the search"
    return tuple(SplitRow(name, data.rows(name), use) for name, use in uses.items() if f"{name}_targets" in data.arrays)


def class_names(score: Score) -> tuple[str, ...]:
    """One name per row of the confusion matrix; numbers where the score names no classes."""
    named = tuple(one.name for one in score.classes)
    return named if len(named) == len(score.confusion) else tuple(str(k) for k in range(len(score.confusion)))


def claimed(envelope: Envelope | None) -> tuple[WorkerReport, ...]:
    """What the candidate's training workers told, one report per seed that left one: claims."""
    seeds: Sequence[SeedResult] = envelope.seeds if envelope else ()
    return tuple(seed.train_claims for seed in seeds if seed.train_claims is not None)


def unenforced(run: Run) -> dict[int, str]:
    """Iteration's number -> which of the user's settings its own trainer may have ignored. Who trained is a claim."""
    asked = ", ".join(words.label(name) for name in run.settings.overrides)
    said = f"own train: the asked settings ({asked}) were not enforced"
    own = [one.number for one in run.iterations if any(told.own_train for told in claimed(one.envelope))]
    return dict.fromkeys(own, said) if asked else {}


def learning_curve(reports: Sequence[WorkerReport]) -> tuple[CurveRow, ...]:
    """A few epochs of what training workers told, evenly spread, the first and the last among them: claims."""
    train = [_by_epoch(one.train_loss, one.epochs) for one in reports if one.train_loss]
    held_out = [_by_epoch(one.held_out_loss, one.epochs) for one in reports if one.held_out_loss]
    known = sorted({epoch for curve in train for epoch in curve})
    rows = min(len(known), _CURVE_ROWS)
    shown = (known[round(k * (len(known) - 1) / max(rows - 1, 1))] for k in range(rows))
    return tuple(_curve_row(epoch, train, held_out) for epoch in shown)


def _by_epoch(losses: Sequence[float], epochs: int) -> dict[int, float]:
    """Epoch, from 1, -> loss. A long curve was thinned evenly before it was told."""
    stretch = (max(epochs, len(losses)) - 1) / max(len(losses) - 1, 1)
    return {1 + round(place * stretch): loss for place, loss in enumerate(losses)}


def _curve_row(epoch: int, train: Sequence[dict[int, float]], held_out: Sequence[dict[int, float]]) -> CurveRow:
    there = [curve[epoch] for curve in train if epoch in curve]
    beside = [curve[epoch] for curve in held_out if epoch in curve]
    return CurveRow(epoch, len(there), median(there), min(there), max(there), median(beside) if beside else None)


def recipe(one: Iteration) -> dict[str, object]:
    """The plan's recipe over the standard trainer's defaults, so that every setting is shown."""
    standard = Recipe().model_dump(mode="json")
    return {name: one.plan.recipe.get(name, value) for name, value in standard.items()} | one.plan.recipe


def _failed(one: Iteration) -> str:
    failure = one.envelope.failure
    return f"failed ({words.label(failure.kind.value)})" if failure else "not scored"


def _failure_row(kind: str, found: Sequence[tuple[int, Failure]]) -> FailureRow:
    return FailureRow(words.label(kind), len(found), _distinct(n for n, _ in found), found[0][1].message)


def _role_row(role: str, found: Sequence[RoomFacts]) -> RoleRow:
    peaks = [room.peak_memory_bytes for room in found if room.peak_memory_bytes is not None]
    return RoleRow(
        role=role,
        rooms=len(found),
        wall_s=sum(room.wall_s for room in found),
        ready_s=median(room.ready_s for room in found),
        peak_memory_bytes=max(peaks, default=None),
        output_bytes=sum(room.output_bytes for room in found),
        oom_killed=sum(room.oom_killed for room in found),
    )


def _distinct(numbers: Iterable[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(numbers))
