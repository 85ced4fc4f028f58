"""One candidate of a run again, in fresh rooms: same source, data, seeds, secret orders of rows, policy and image.

Nothing is written into the run's directory, and its seal stays closed: candidates are compared on validation only. On a
CPU the same image gives the same bits, on processors of the same kind and with the same number of threads; where the
bits differ all the same, what is left to compare is the score with its interval.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from fumehood.data import seal
from fumehood.errors import EngineError, UsageError
from fumehood.evidence import check_unchanged
from fumehood.executors.local import predictions_file
from fumehood.journal import State, fold, lines
from fumehood.laboratory import Laboratory, warm_rooms
from fumehood.progress import Progress
from fumehood.records import Dataset, Envelope, Iteration, MetricSummary, Record, RoomFacts, Run, SeedResult
from fumehood.run_directory import RunDirectory
from fumehood.sandbox.host import open_host
from fumehood.trial import again


class Verdict(StrEnum):
    BIT_BY_BIT = "bit_by_bit"
    """Every seed gave the same predictions to the last bit, or failed in the same way."""
    WITHIN_INTERVAL = "within_interval"
    """Bits differ, and the mean over seeds lies in the interval that the run gave."""
    NOT_REPRODUCED = "not_reproduced"


class SeedComparison(Record):
    seed: int
    same: bool
    """Same digest of the predictions, or the same kind of failure."""
    then: str
    """Digest of the predictions, or kind of failure."""
    now: str
    largest_difference: float | None = None
    """Between two predictions, in their own units; None where the bits are the same or the old ones are not there."""


class Replay(Record):
    iteration: int
    verdict: Verdict
    seeds: tuple[SeedComparison, ...]
    then: MetricSummary | None
    """The goal's metric on validation; None where every seed failed."""
    now: MetricSummary | None
    notes: tuple[str, ...] = ()
    """What was not the same from outside, and may be why bits differ."""


def replay(directory: RunDirectory, number: int, progress: Progress) -> Replay:
    """Try iteration ``number`` of the run in ``directory`` again.

    Raises UsageError for an iteration that was not judged, or whose data or source are not what the journal says;
    EngineError where there is no engine, or its image is not the run's.
    """
    state = fold(lines(directory.journal))
    then, dataset = _judged(state.run, number), _dataset(state.run)
    _check_there(directory, state, then)
    with TemporaryDirectory(prefix="fumehood-replay-") as scratch, progress:
        envelope, now = _again(directory, state, then, dataset, Path(scratch), progress)
        seeds = _compared(then.envelope, envelope, directory.iteration(number), Path(scratch), dataset)
    old = then.score.primary if then.score else None
    notes = _notes(then.envelope, envelope)
    return Replay(iteration=number, verdict=judge(seeds, old, now), seeds=seeds, then=old, now=now, notes=notes)


def _judged(run: Run, number: int) -> Iteration:
    found = next((iteration for iteration in run.iterations if iteration.number == number), None)
    if found is None:
        known = f"it has 1 to {len(run.iterations)}" if run.iterations else "it has none"
        raise UsageError(f"the run has no iteration {number} that was judged; {known}", "fumehood report DIR")
    return found


def _dataset(run: Run) -> Dataset:
    if run.dataset is None:
        raise UsageError("the run ended before its data were prepared", "start another run")
    return run.dataset


def _check_there(directory: RunDirectory, state: State, then: Iteration) -> None:
    """The source and the key of the orders of rows; the arrays are checked by the laboratory."""
    source = directory.iteration(then.number) / "model.py"
    if not source.exists() and not state.run.settings.keep:
        raise UsageError("the run was begun with --no-keep, and what a replay needs is gone", "start it again")
    check_unchanged(source, then.source_digest)
    if state.prepared is not None and state.prepared.order_key_digest is not None:
        check_unchanged(directory.sealed / seal.KEY, state.prepared.order_key_digest)


def _again(
    directory: RunDirectory, state: State, then: Iteration, dataset: Dataset, scratch: Path, progress: Progress
) -> tuple[Envelope, MetricSummary | None]:
    """Files land in ``scratch``."""
    settings, source = state.run.settings, directory.iteration(then.number) / "model.py"
    with open_host(state.limits(), state.run.run_id, uuids=settings.gpus) as host:
        image = state.run.image
        if image is None or image.image_id != host.images.sandbox.image_id:
            raise EngineError(
                f"the run used image {image.tag if image else 'of an unknown name'}, and the present one is "
                f"{host.images.sandbox.tag}",
                "use the version of fumehood, and the base image, that the run was made with",
            )
        laboratory = Laboratory(host, directory.sealed, scratch / "arrays", dataset, settings.design, progress)
        job = laboratory.job(then.number, source, then.source_digest, settings.timeout_s)
        progress.iteration_started(then.number, then.plan)
        with warm_rooms(host, settings.parallel, settings.splits) as pool, laboratory.executor(pool) as executor:
            envelope = again(executor, job, then.envelope, scratch)
        if envelope.failure:
            return envelope, None
        return envelope, laboratory.score(envelope, scratch / "predictions", "validation").primary


def _compared(then: Envelope, now: Envelope, old: Path, new: Path, dataset: Dataset) -> tuple[SeedComparison, ...]:
    later = {seed.seed: seed for seed in now.seeds}
    return tuple(_compare(seed, later[seed.seed], old, new, dataset) for seed in then.seeds if seed.seed in later)


def _compare(then: SeedResult, now: SeedResult, old: Path, new: Path, dataset: Dataset) -> SeedComparison:
    same = _outcome(then) == _outcome(now)
    largest = None if same else _largest_difference(then, now, old, new, dataset)
    return SeedComparison(seed=then.seed, same=same, then=_outcome(then), now=_outcome(now), largest_difference=largest)


def _outcome(seed: SeedResult) -> str:
    return seed.failure.kind.value if seed.failure else seed.predictions_digest or "nothing"


def _largest_difference(then: SeedResult, now: SeedResult, old: Path, new: Path, dataset: Dataset) -> float | None:
    """None where one of them failed, or the old predictions are not those that the journal speaks of."""
    before, after = (predictions_file(folder / "predictions", then.seed) for folder in (old, new))
    size = dataset.rows("validation") * dataset.num_outputs * 4
    if then.failure or now.failure or not before.is_file() or before.stat().st_size != size:
        return None
    if seal.file_digest(before) != then.predictions_digest:
        return None
    first, second = (np.fromfile(path, dtype="<f4").astype(np.float64) for path in (before, after))
    return float(np.abs(first - second).max())


def judge(seeds: Sequence[SeedComparison], then: MetricSummary | None, now: MetricSummary | None) -> Verdict:
    """Bits decide where they agree; else the new mean against the old interval."""
    if seeds and all(seed.same for seed in seeds):
        return Verdict.BIT_BY_BIT
    if then is None or now is None or then.interval is None:
        return Verdict.NOT_REPRODUCED
    within = then.interval.low <= now.mean <= then.interval.high
    return Verdict.WITHIN_INTERVAL if within else Verdict.NOT_REPRODUCED


def _notes(then: Envelope, now: Envelope) -> tuple[str, ...]:
    """What was not the same, and may be why bits differ: limits of the rooms, and how far training came in its time."""
    return tuple(dict.fromkeys([*_other_limits(then.rooms, now.rooms), *_other_epochs(then.seeds, now.seeds)]))


def _other_limits(then: Sequence[RoomFacts], now: Sequence[RoomFacts]) -> Iterator[str]:
    for before, after in zip(then, now, strict=False):
        old, new = (room.inspected.model_dump() if room.inspected else {} for room in (before, after))
        for name in sorted(old.keys() & new.keys()):
            if old[name] != new[name]:
                yield f"{name} of the {before.role} room was {old[name]} and is {new[name]}"


def _other_epochs(then: Sequence[SeedResult], now: Sequence[SeedResult]) -> Iterator[str]:
    for before, after in zip(then, now, strict=False):
        old, new = before.train_claims, after.train_claims
        if old and new and old.epochs != new.epochs:
            yield (
                f"seed {before.seed} trained {old.epochs} epochs then and {new.epochs} now, as it says itself: "
                "training ends early where its time runs out"
            )
