"""An executor without rooms, and a run whose data it knows: for what is tested or timed around the rooms."""

import hashlib
import os
from pathlib import Path

import numpy as np

from fumehood import policy, recorder
from fumehood.data import seal
from fumehood.executors import Job
from fumehood.executors.local import predictions_file, weights_file
from fumehood.goal import complete, parse
from fumehood.records import Dataset, Envelope, RoomFacts, RunSettings, SeedResult
from fumehood.run_directory import RunDirectory
from fumehood_shared import paths
from fumehood_shared.messages import (
    ArraySpec,
    DataFacts,
    Failure,
    FailureKind,
    ImageEncoding,
    InputKind,
    TargetEncoding,
    Task,
)

ROWS, CLASSES = 60, 3
ACCURACIES = (0.5, 0.7, 0.6, 0.9)
FACTS = RoomFacts(role="train", wall_s=1.0, ready_s=1.0)


class Killed(BaseException):
    """What a SIGKILL looks like from the next line on: nothing of ours runs any more."""


class Rooms:
    """Fake of ``executors.Executor``: candidate number i predicts the right class for a share ACCURACIES[i - 1]."""

    def __init__(self, targets: np.ndarray, fail: tuple[int, ...] = (), die_in: int | None = None) -> None:
        self.targets, self.fail, self.die_in = targets, fail, die_in
        self.evaluated: list[int] = []
        self.tested = 0

    def evaluate(self, job: Job, into: Path) -> Envelope:
        if self.die_in == job.number:
            raise Killed
        self.evaluated.append(job.number)
        if job.number in self.fail:
            failure = Failure(kind=FailureKind.OOM, message="the room ran out of memory")
            seeds = tuple(SeedResult(seed=s.seed, failure=failure) for s in job.seeds)
            return Envelope(source_digest=job.source_digest, seeds=seeds, rooms=(FACTS,))
        seeds = tuple(self._seed(s.seed, job.number, into) for s in job.seeds)
        return Envelope(source_digest=job.source_digest, seeds=seeds, rooms=(FACTS, FACTS))

    def predict(self, job: Job, split: str, weights: Path, into: Path) -> Envelope:
        assert split == "test"
        assert all(weights_file(weights, s.seed).is_file() for s in job.seeds)
        self.tested += 1
        (into / "predictions").mkdir(parents=True, exist_ok=True)
        seeds = tuple(self._seed(s.seed, job.number, into) for s in job.seeds)
        return Envelope(source_digest=job.source_digest, seeds=seeds, rooms=(FACTS,))

    def _seed(self, seed: int, number: int, into: Path) -> SeedResult:
        draws = np.random.default_rng([seed, number])
        right = draws.permutation(ROWS) < ACCURACIES[(number - 1) % len(ACCURACIES)] * ROWS
        logits = np.eye(CLASSES, dtype="<f4")[np.where(right, self.targets, (self.targets + 1) % CLASSES)]
        predictions = predictions_file(into / "predictions", seed)
        logits.tofile(predictions)
        (into / "weights").mkdir(exist_ok=True)
        weights = weights_file(into / "weights", seed)
        weights.write_bytes(b"weights of %d" % seed)
        digests = {"predictions_digest": _digest(predictions), "weights_digest": _digest(weights)}
        return SeedResult(seed=seed, **digests, parameters=10)


def begin(
    path: Path,
    targets: np.ndarray,
    target: float | None = 0.99,
    budget_minutes: float | None = None,
    iterations: int = 4,
) -> RunDirectory:
    """A run whose data are prepared."""
    directory = RunDirectory.create(path)
    draft = parse("classify", data="digits", metric="accuracy", target=target)
    goal = complete(draft, Task.CLASSIFICATION)
    settings = RunSettings(
        name="test",
        goal=goal,
        data="digits",
        planner="search",
        max_iterations=iterations,
        num_seeds=2,
        seed=0,
        split_seed=0,
        policy="standard",
        budget_minutes=budget_minutes,
    )
    with recorder.begin(directory, settings, policy.load("standard"), {}) as record:
        record.note("data_prepared", dataset=_sealed(directory, targets), goal=goal, room=FACTS)
    return directory


def _sealed(directory: RunDirectory, targets: np.ndarray) -> Dataset:
    (directory.sealed / seal.KEY).write_bytes(os.urandom(32))
    arrays, digests = {}, {}
    for split in ("train", "validation", "test"):
        for name, array in ((f"{split}_inputs", np.zeros((ROWS, 1, 8, 8), "<f4")), (f"{split}_targets", targets)):
            path = directory.sealed / paths.array_file(name)
            array.tofile(path)
            arrays[name] = ArraySpec(dtype="int64" if array.dtype == np.int64 else "float32", shape=array.shape)
            digests[name] = _digest(path)
    return Dataset(
        spec="digits",
        task=Task.CLASSIFICATION,
        input_kind=InputKind.IMAGE,
        input_shape=(1, 8, 8),
        num_outputs=CLASSES,
        encoding=ImageEncoding(shape=(1, 8, 8), mean=(0.0,), std=(1.0,)),
        target=TargetEncoding(name="digit", classes=("a", "b", "c")),
        arrays=arrays,
        digests=digests,
        source_digest="0" * 64,
        split_seed=0,
        facts=DataFacts(rows=3 * ROWS),
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
