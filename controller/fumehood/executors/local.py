"""Evaluates candidates in rooms on this machine's engine.

Rooms come warm, in pairs; a predict room receives source and inputs only after its train room is dead, and finds the
weights in the volume between them. Seeds that share no rooms are tried at the same time, as many as the machine has
memory and CPUs for; what one of them brings does not depend on that. The rows of every array enter in a secret order,
and predictions are put back into the data set's own order here. Copies of some rows are among those that are
predicted, and answers to them that contradict each other are refused here, without a label.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from fumehood import rooms
from fumehood.data import mixing, order, steadiness
from fumehood.data.mixing import Mixed, Spread
from fumehood.data.seal import file_digest
from fumehood.executors import Job
from fumehood.executors.parallel import run_all
from fumehood.progress import Progress
from fumehood.records import Dataset, Envelope, RoomFacts, SecondLook, SeedResult
from fumehood.rooms import Weights
from fumehood.sandbox import exchange
from fumehood.sandbox.exchange import Received, Rejected
from fumehood.sandbox.group import RoomGroup
from fumehood.sandbox.host import Host
from fumehood.sandbox.pool import Pair, Pool
from fumehood.sandbox.room import Room
from fumehood_shared import caps, paths
from fumehood_shared.messages import (
    Failure,
    FailureKind,
    PredictRequest,
    SeedSpec,
    TensorScale,
    TrainRequest,
    WorkerReport,
)

_LOG_TAIL = 4000
_BATCHES: Final = 5
"""At least so many: copies of a row that share its batch would show nothing."""


def weights_file(folder: Path, seed: int) -> Path:
    return folder / f"seed-{seed}.safetensors"


def predictions_file(folder: Path, seed: int) -> Path:
    return folder / f"seed-{seed}.bin"


@dataclass(frozen=True)
class Arrays:
    """The input arrays of a run, on disk in the data set's own order, and the key of the orders they enter rooms in."""

    dataset: Dataset
    folder: Path
    scratch: Path
    """Closed to others; holds copies while a room takes them in."""
    key: bytes
    fold: int | None = None
    """Whose arrays these are, where ``dataset`` is a fold's; None without folds."""

    def file(self, name: str) -> Path:
        return self.folder / paths.array_file(name if self.fold is None else paths.fold_array(self.fold, name))

    def shuffled(self, name: str, purpose: str, into: Path) -> tuple[Path, order.Order]:
        """A copy of array ``name`` in the secret order for ``purpose``, and that order."""
        spec = self.dataset.arrays[name]
        permutation = order.permutation(self.key, purpose, spec.shape[0])
        target = into / paths.array_file(name)
        order.permute_file(self.file(name), target, spec, permutation)
        return target, permutation

    def mixed(self, name: str, purpose: str, into: Path) -> tuple[Path, Mixed]:
        """A copy of the inputs ``name`` with copies of some rows among them, in the secret order for ``purpose``."""
        spec, target = self.dataset.arrays[name], into / paths.array_file(name)
        return target, mixing.mix(self.file(name), target, spec, self._spread, self.key, purpose)

    @cached_property
    def _spread(self) -> Spread | None:
        return Spread.of(self.file("train_inputs"), self.dataset.arrays["train_inputs"], self.key)


@dataclass(frozen=True)
class LocalExecutor:
    host: Host
    pool: Pool
    """Its train rooms have ``inputs.bin`` and ``targets.bin`` of the training split, in a secret order."""
    arrays: Arrays
    device: Literal["cpu", "cuda"]
    overrides: Mapping[str, Any]
    progress: Progress
    group: RoomGroup = field(default_factory=RoomGroup)
    """The rooms of all evaluations."""

    def evaluate(self, job: Job, into: Path) -> Envelope:
        for name in ("weights", "predictions"):
            (into / name).mkdir(exist_ok=True)
        self.pool.expect(len(self._room_mates(job)), more=job.followed)

        def work(here: LocalExecutor, mates: Sequence[SeedSpec]) -> _Part:
            with self.pool.pair(here.group) as pair, here._inputs(job, "validation", mates) as inputs:
                return here._train_and_predict(pair, job, mates, inputs, into)

        return self._together(job, RoomGroup() if job.isolated else self.group.part(), work)

    def at_once(self, job: Job) -> int:
        """As many as there are CPUs for; on a GPU one, though small models may train as one there."""
        return 1 if self.device == "cuda" else min(len(job.seeds), self.pool.cpus)

    def abandon(self) -> None:
        self.group.abandon()

    def predict(self, job: Job, split: Literal["validation", "test"], weights: Path, into: Path) -> Envelope:
        (into / "predictions").mkdir(parents=True, exist_ok=True)

        def work(here: LocalExecutor, mates: Sequence[SeedSpec]) -> _Part:
            with here._inputs(job, split, mates) as inputs, here.host.room("predict") as room:
                files = [weights_file(weights, seed.seed) for seed in mates]
                results, facts = here._predict(room, job, mates, inputs, files, into)
            return _Part(results, (facts,), "")

        return self._together(job, RoomGroup(), work)

    def _together(self, job: Job, group: RoomGroup, work: "_Work") -> Envelope:
        """``work`` for the seeds of each set of rooms, in rooms that are given up together if one goes wrong."""
        here = replace(self, host=replace(self.host, group=group), group=group)
        tasks = [partial(work, here, seeds) for seeds in self._room_mates(job)]
        return _joined(job, run_all(tasks, self.pool.places, group.abandon))

    def _room_mates(self, job: Job) -> list[tuple[SeedSpec, ...]]:
        """The seeds that share a room: all of them, or none with another where they are to be isolated."""
        alone = job.isolated or self.host.policy.isolate_seeds
        return [(seed,) for seed in job.seeds] if alone else [job.seeds]

    @contextmanager
    def _inputs(self, job: Job, split: str, seeds: Sequence[SeedSpec]) -> "Iterator[_Inputs]":
        """The split's inputs in the order of these seeds' predict room, made while a room is waited for."""
        name, order_of = f"{split}_inputs", self._order_of(job, split, seeds)
        with tempfile.TemporaryDirectory(dir=self.arrays.scratch) as scratch, ThreadPoolExecutor(1) as meanwhile:
            mixed = meanwhile.submit(self.arrays.mixed, name, order_of, Path(scratch))
            yield _Inputs(name, Path(scratch), mixed.result)

    def _train_and_predict(
        self, pair: Pair, job: Job, seeds: Sequence[SeedSpec], inputs: "_Inputs", into: Path
    ) -> "_Part":
        self.progress.room(job.number, "train", "running")
        trained = rooms.train(pair.train, self._train_request(pair.train, job, seeds), job.source)
        pair.train.end()  # it is dead here, before source and inputs enter its predict room
        handed = rooms.handed_over(pair.predict, len(seeds))
        results = [_after_training(s.seed, r, h) for s, r, h in zip(seeds, trained.reports, handed, strict=True)]
        log = trained.log[-_LOG_TAIL:]
        alive = [place for place, result in enumerate(results) if result.failure is None]
        if not alive:
            return _Part(tuple(results), (trained.facts,), log)
        self.progress.room(job.number, "predict", "running")
        predicted, facts = self._predict(pair.predict, job, [seeds[i] for i in alive], inputs, alive, into)
        by_seed = {result.seed: result for result in predicted}
        merged = tuple(_merge(result, by_seed.get(result.seed)) for result in results)
        kept = [
            w if r.failure is None and isinstance(w, Weights) else None for w, r in zip(handed, merged, strict=True)
        ]
        if any(kept):
            rooms.keep_weights(pair.predict, kept, [weights_file(into / "weights", seed.seed) for seed in seeds])
        return _Part(merged, (trained.facts, facts), log)

    def _predict(
        self,
        room: Room,
        job: Job,
        seeds: Sequence[SeedSpec],
        inputs: "_Inputs",
        weights: Sequence[Path] | Sequence[int],
        into: Path,
    ) -> tuple[tuple[SeedResult, ...], RoomFacts]:
        """With stored ``weights``, or with those at these places of the hand-over volume."""
        file, mixed = inputs.mixed()
        raw = [inputs.scratch / f"predictions-{i}" for i in range(len(seeds))]
        stored = [path for path in weights if isinstance(path, Path)]
        places = tuple(place for place in weights if isinstance(place, int))
        request = self._predict_request(room, job, seeds, inputs.name, len(mixed.order), places)
        outcome = rooms.predict(room, request, job.source, stored, file, raw)
        results = tuple(
            self._prediction(outcome.reports[i], outcome.files.get(i), raw[i], mixed, seed, into)
            for i, seed in enumerate(seeds)
        )
        return results, outcome.facts

    def _order_of(self, job: Job, split: str, seeds: Sequence[SeedSpec]) -> str:
        """Names the secret order of a predict room's rows: a replay's room has the same, every other one another.

        The bits of a prediction can depend on which rows share its batch, and on their order.
        """
        return f"predict {split} {job.number} from seed {seeds[0].seed}"

    def _prediction(
        self,
        report: WorkerReport,
        received: Received | None,
        raw: Path,
        mixed: Mixed,
        seed: SeedSpec,
        into: Path,
    ) -> SeedResult:
        """One seed's predictions checked, put into the data set's order and stored."""
        failure, look = report.failure, None
        if failure is None and received is not None:
            try:
                array = exchange.read_predictions(raw, len(mixed.order), self.arrays.dataset.num_outputs)
                look = self._second_look(array, mixed)
                failure = steadiness.failure(look)
            except Rejected as error:
                failure = Failure(kind=FailureKind.NON_FINITE, message=str(error)[: caps.MESSAGE_CHARS])
        if failure is not None:
            return SeedResult(seed=seed.seed, failure=failure, predict_claims=report, second_look=look)
        target = predictions_file(into / "predictions", seed.seed)
        # Not by NumPy's tofile, which says nothing when the disk is full.
        target.write_bytes(mixed.scored(array).tobytes())
        digest = file_digest(target)
        return SeedResult(seed=seed.seed, predictions_digest=digest, predict_claims=report, second_look=look)

    def _second_look(self, answers: npt.NDArray[np.float32], mixed: Mixed) -> SecondLook:
        first = mixed.scored(answers)[mixed.again]
        before, after = first[: len(mixed.changed)][mixed.changed], mixed.shaken(answers)
        return steadiness.look(first, mixed.second(answers), before, after, self.arrays.dataset.task, self.device)

    def _train_request(self, room: Room, job: Job, seeds: Sequence[SeedSpec]) -> TrainRequest:
        limit = room.cage.limits.wall_s
        return TrainRequest(
            **self._common(room, job, seeds),
            inputs=self.arrays.dataset.arrays["train_inputs"],
            targets=self.arrays.dataset.arrays["train_targets"],
            overrides=dict(self.overrides),
            deadline_s=min(limit, job.timeout_s) if job.timeout_s else limit,
        )

    def _predict_request(
        self, room: Room, job: Job, seeds: Sequence[SeedSpec], name: str, rows: int, handed_over: tuple[int, ...]
    ) -> PredictRequest:
        """``rows`` with the copies among them."""
        spec = self.arrays.dataset.arrays[name]
        return PredictRequest(
            **self._common(room, job, seeds),
            inputs=spec.model_copy(update={"shape": (rows, *spec.shape[1:])}),
            handed_over=handed_over,
            batch_size=max(1, min(caps.PREDICT_BATCH, rows // _BATCHES)),
            deadline_s=room.cage.limits.wall_s,
        )

    def _common(self, room: Room, job: Job, seeds: Sequence[SeedSpec]) -> dict[str, Any]:
        """A seed gets as many threads as it would beside all others in one room, however many are tried at once.

        Their number decides about last digits, and more threads than CPUs wait for each other most of the time.
        """
        threads = max(1, room.cage.threads * len(seeds) // len(job.seeds))
        return job_fields(self.arrays.dataset, seeds, self.device, threads)


def job_fields(
    dataset: Dataset, seeds: Sequence[SeedSpec], device: Literal["cpu", "cuda"], threads: int
) -> dict[str, Any]:
    """The fields that train and predict requests on ``dataset`` share."""
    target = dataset.target
    return {
        "task": dataset.task,
        "input_kind": dataset.input_kind,
        "input_shape": dataset.input_shape,
        "num_outputs": dataset.num_outputs,
        "vocab_size": dataset.vocab_size,
        "target_scale": TensorScale(mean=target.mean, std=target.std) if target.mean else None,
        "seeds": tuple(seeds),
        "device": device,
        "threads": threads,
    }


@dataclass(frozen=True)
class _Inputs:
    """Inputs of a split on their way into a predict room."""

    name: str
    scratch: Path
    """Closed to others, and gone when the rooms are."""
    mixed: Callable[[], tuple[Path, Mixed]]
    """Waits for the file, and for what its rows are."""


@dataclass(frozen=True)
class _Part:
    """What one pair of rooms brought."""

    results: tuple[SeedResult, ...]
    facts: tuple[RoomFacts, ...]
    log: str


_Work = Callable[[LocalExecutor, Sequence[SeedSpec]], _Part]


def _joined(job: Job, parts: Sequence[_Part]) -> Envelope:
    return Envelope(
        source_digest=job.source_digest,
        seeds=tuple(result for part in parts for result in part.results),
        rooms=tuple(facts for part in parts for facts in part.facts),
        log_tail="\n".join(part.log for part in parts if part.log)[-_LOG_TAIL:],
    )


def _after_training(seed: int, report: WorkerReport, handed: Weights | Failure) -> SeedResult:
    """One seed after its train room: weights counted from their header, or the failure."""
    failure = report.failure or (handed if isinstance(handed, Failure) else None)
    weights = handed if isinstance(handed, Weights) and failure is None else None
    return SeedResult(
        seed=seed,
        failure=failure,
        weights_digest=weights.digest if weights else None,
        parameters=weights.parameters if weights else None,
        train_claims=report,
    )


def _merge(trained: SeedResult, predicted: SeedResult | None) -> SeedResult:
    if predicted is None:
        return trained
    return trained.model_copy(
        update={
            "failure": predicted.failure,
            "predictions_digest": predicted.predictions_digest,
            "predict_claims": predicted.predict_claims,
            "second_look": predicted.second_look,
        }
    )
