"""Evaluates candidates in rooms on this machine's engine.

The predict room is opened together with the train room, so that it warms up meanwhile; it receives source and inputs
only after the train room is destroyed. Seeds that share no rooms are tried at the same time, as many as the machine has
memory and CPUs for; what one of them brings does not depend on that. The rows of every array enter in a secret order,
and predictions are put back into the data set's own order here.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from fumehood import rooms
from fumehood.data import order
from fumehood.data.seal import file_digest
from fumehood.executors import Job
from fumehood.executors.parallel import run_all
from fumehood.policy import Role
from fumehood.progress import Progress
from fumehood.records import Dataset, Envelope, RoomFacts, SeedResult
from fumehood.sandbox import exchange
from fumehood.sandbox.cage import DataVolume
from fumehood.sandbox.exchange import Received, Rejected
from fumehood.sandbox.group import RoomGroup
from fumehood.sandbox.host import Host
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

    def shuffled(self, name: str, purpose: str, into: Path) -> tuple[Path, order.Order]:
        """A copy of array ``name`` in the secret order for ``purpose``, and that order."""
        spec = self.dataset.arrays[name]
        permutation = order.permutation(self.key, purpose, spec.shape[0])
        target = into / paths.array_file(name)
        order.permute_file(self.folder / paths.array_file(name), target, spec, permutation)
        return target, permutation


@dataclass(frozen=True)
class LocalExecutor:
    host: Host
    arrays: Arrays
    training_data: DataVolume
    """Holds ``inputs.bin`` and ``targets.bin`` of the training split, in a secret order."""
    device: Literal["cpu", "cuda"]
    overrides: Mapping[str, Any]
    progress: Progress
    evaluations: RoomGroup = field(default_factory=RoomGroup)
    """Every group of rooms of an evaluation is within it."""

    def evaluate(self, job: Job, into: Path) -> Envelope:
        for name in ("weights", "predictions"):
            (into / name).mkdir(exist_ok=True)
        group = RoomGroup(within=self.evaluations)
        roles: tuple[Role, ...] = ("train", "predict")
        return self._together(job, roles, group, lambda here, mates: here._train_and_predict(job, mates, into))

    def abandon(self) -> None:
        self.evaluations.abandon()

    def predict(self, job: Job, split: Literal["validation", "test"], weights: Path, into: Path) -> Envelope:
        (into / "predictions").mkdir(parents=True, exist_ok=True)

        def work(here: LocalExecutor, mates: Sequence[SeedSpec]) -> _Part:
            with here.host.room("predict") as room:
                results, facts = here._predict(room, job, mates, split, weights, into)
            return _Part(results, (facts,), "")

        return self._together(job, ("predict",), RoomGroup(), work)

    def _together(self, job: Job, roles: Sequence[Role], group: RoomGroup, work: "_Work") -> Envelope:
        """``work`` for the seeds of each set of rooms, in rooms that are given up together if one goes wrong."""
        mates = self._room_mates(job)
        here = replace(self, host=replace(self.host, group=group))
        at_once = self.host.at_once(*roles) if len(mates) > 1 else 1
        return _joined(job, run_all([partial(work, here, seeds) for seeds in mates], at_once, group.abandon))

    def _room_mates(self, job: Job) -> list[tuple[SeedSpec, ...]]:
        """The seeds that share a room: all of them, or under ``isolate_seeds`` none with another."""
        return [(seed,) for seed in job.seeds] if self.host.policy.isolate_seeds else [job.seeds]

    def _train_and_predict(self, job: Job, seeds: Sequence[SeedSpec], into: Path) -> "_Part":
        with ExitStack() as stack:
            predict_room = stack.enter_context(self.host.room("predict"))
            with self.host.room("train", self.training_data) as train_room:
                self.progress.room(job.number, "train", "running")
                files = [weights_file(into / "weights", s.seed) for s in seeds]
                trained = rooms.train(train_room, self._train_request(train_room, job, seeds), job.source, files)
            # The train room is destroyed here, before source and inputs enter its predict room.
            log = trained.log[-_LOG_TAIL:]
            results = [_after_training(seed, trained, i, files[i]) for i, seed in enumerate(seeds)]
            alive = [seed for seed, result in zip(seeds, results, strict=True) if result.failure is None]
            if not alive:
                return _Part(tuple(results), (trained.facts,), log)
            self.progress.room(job.number, "predict", "running")
            predicted, facts = self._predict(predict_room, job, alive, "validation", into / "weights", into)
        by_seed = {result.seed: result for result in predicted}
        merged = tuple(_merge(result, by_seed.get(result.seed)) for result in results)
        return _Part(merged, (trained.facts, facts), log)

    def _predict(
        self, room: Room, job: Job, seeds: Sequence[SeedSpec], split: str, weights: Path, into: Path
    ) -> tuple[tuple[SeedResult, ...], RoomFacts]:
        with tempfile.TemporaryDirectory(dir=self.arrays.scratch) as scratch:
            name = f"{split}_inputs"
            inputs, permutation = self.arrays.shuffled(name, self._order_of(job, split, seeds), Path(scratch))
            raw = [Path(scratch) / f"predictions-{i}" for i in range(len(seeds))]
            request = self._predict_request(room, job, seeds, name)
            files = [weights_file(weights, s.seed) for s in seeds]
            outcome = rooms.predict(room, request, job.source, files, inputs, raw)
            results = tuple(
                self._prediction(outcome.reports[i], outcome.files.get(i), raw[i], permutation, seed, into)
                for i, seed in enumerate(seeds)
            )
        return results, outcome.facts

    def _order_of(self, job: Job, split: str, seeds: Sequence[SeedSpec]) -> str:
        """Names the secret order of a predict room's rows: a replay's room has the same, every other one another.

        The bits of a prediction can depend on which rows share its batch, and on their order.
        """
        alone = f" seed {seeds[0].seed}" if self.host.policy.isolate_seeds else ""
        return f"predict {split} {job.number}{alone}"

    def _prediction(
        self,
        report: WorkerReport,
        received: Received | None,
        raw: Path,
        permutation: order.Order,
        seed: SeedSpec,
        into: Path,
    ) -> SeedResult:
        """One seed's predictions checked, put into the data set's order and stored."""
        failure = report.failure
        if failure is None and received is not None:
            try:
                array = exchange.read_predictions(raw, len(permutation), self.arrays.dataset.num_outputs)
            except Rejected as error:
                failure = Failure(kind=FailureKind.NON_FINITE, message=str(error)[: caps.MESSAGE_CHARS])
        if failure is not None:
            return SeedResult(seed=seed.seed, failure=failure, predict_claims=report)
        target = predictions_file(into / "predictions", seed.seed)
        # Not by NumPy's tofile, which says nothing when the disk is full.
        target.write_bytes(order.unpermute(array, permutation).tobytes())
        return SeedResult(seed=seed.seed, predictions_digest=file_digest(target), predict_claims=report)

    def _train_request(self, room: Room, job: Job, seeds: Sequence[SeedSpec]) -> TrainRequest:
        limit = room.cage.limits.wall_s
        return TrainRequest(
            **self._common(room, job, seeds),
            inputs=self.arrays.dataset.arrays["train_inputs"],
            targets=self.arrays.dataset.arrays["train_targets"],
            overrides=dict(self.overrides),
            deadline_s=min(limit, job.timeout_s) if job.timeout_s else limit,
        )

    def _predict_request(self, room: Room, job: Job, seeds: Sequence[SeedSpec], name: str) -> PredictRequest:
        inputs = self.arrays.dataset.arrays[name]
        return PredictRequest(**self._common(room, job, seeds), inputs=inputs, deadline_s=room.cage.limits.wall_s)

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


def _after_training(seed: SeedSpec, trained: rooms.Outcome, index: int, weights: Path) -> SeedResult:
    """One seed after its train room: weights counted from their header, or the failure."""
    report = trained.reports[index]
    failure, parameters = report.failure, None
    if failure is None:
        try:
            parameters = exchange.count_parameters(weights)
        except Rejected as error:
            failure = Failure(kind=FailureKind.HOSTILE_OUTPUT, message=str(error)[: caps.MESSAGE_CHARS])
    if failure is not None:
        weights.unlink(missing_ok=True)
    received = trained.files.get(index)
    return SeedResult(
        seed=seed.seed,
        failure=failure,
        weights_digest=received.digest if received and failure is None else None,
        parameters=parameters,
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
        }
    )
