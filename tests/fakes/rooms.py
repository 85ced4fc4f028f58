"""A run with everything real but the rooms: a fake executor stands in for them and writes what rooms would bring."""

import hashlib
import os
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from fumehood import policy, recorder, session
from fumehood.assembly.author import TemplateAuthor
from fumehood.data import seal, specs
from fumehood.executors import Job
from fumehood.executors.local import predictions_file, weights_file
from fumehood.experience import Experience, NoExperience
from fumehood.goal import complete, parse
from fumehood.planning.protocol import Planner
from fumehood.planning.search import SearchPlanner
from fumehood.policy import Role
from fumehood.preparation import source_digest
from fumehood.progress import SilentProgress
from fumehood.recorder import Recorder
from fumehood.records import Dataset, Envelope, ImageFact, Inspected, RoomFacts, Run, RunSettings, SeedResult
from fumehood.research import Research
from fumehood.run_directory import RunDirectory
from fumehood.sandbox import seccomp
from fumehood.sandbox.cage import profile_digest
from fumehood.sandbox.group import Abandoned
from fumehood.signing import SigningKey
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
IMAGE = ImageFact(tag="fumehood-sandbox:1", image_id="sha256:" + "5" * 64, base="base", base_digest="sha256:1")


def facts(role: Role) -> RoomFacts:
    """Of a room that was as the standard policy says."""
    policies = policy.load("standard")
    limits = policies.limits(role)
    names = ("memory", "cpus", "pids", "tmp", "exchange", "inodes", "shm", "nofile", "file")
    digest = profile_digest(seccomp.profile(policies.seccomp))
    values = {name: getattr(limits, name) for name in names}
    seen = Inspected(image_id=IMAGE.image_id, runtime="runc", seccomp_digest=digest, **values)
    return RoomFacts(role=role, wall_s=1.0, ready_s=1.0, inspected=seen)


FACTS = facts("train")


def labels() -> np.ndarray:
    return np.random.default_rng(0).permutation(np.arange(ROWS) % CLASSES).astype("<i8")


class Killed(BaseException):
    """What a SIGKILL looks like from the next line on: nothing of ours runs any more."""


class Rooms:
    """Fake of ``executors.Executor``: candidate number i predicts the right class for a share ACCURACIES[i - 1].

    ``after`` names candidates that are not ready before others are: a number and the one that it waits for.
    """

    def __init__(
        self,
        targets: np.ndarray,
        fail: tuple[int, ...] = (),
        die_in: int | None = None,
        after: Mapping[int, int] | None = None,
    ) -> None:
        self.targets, self.fail, self.die_in, self.after = targets, fail, die_in, after or {}
        self.evaluated: list[int] = []
        """In the order in which they were ready."""
        self.again: list[int] = []
        """Finalists, on fresh seeds."""
        self.width = 64
        """Seeds at a time: so many, and nobody is raced."""
        self.accuracies: Mapping[int, float] = {}
        """Of candidates that are not as ``ACCURACIES`` says."""
        self.under_way: set[int] = set()
        self.most_at_once = 0
        self.tested = 0
        self._change = threading.Condition()
        self._abandoned = False

    def at_once(self, job: Job) -> int:
        return self.width

    def open(self) -> None:
        """For another process that works on the run: it has an executor of its own."""
        self._abandoned = False

    def abandon(self) -> None:
        with self._change:
            self._abandoned = True
            self._change.notify_all()

    def evaluate(self, job: Job, into: Path) -> Envelope:
        with self._change:
            self.under_way.add(job.number)
            self.most_at_once = max(self.most_at_once, len(self.under_way))
            self._change.notify_all()
        try:
            envelope = self._evaluate(job, into)
            with self._change:
                awaited = self.after.get(job.number)
                self._change.wait_for(lambda: self._abandoned or awaited is None or awaited in self.evaluated)
                if self._abandoned and not job.isolated:
                    raise Abandoned
                (self.again if job.isolated else self.evaluated).append(job.number)
            return envelope
        finally:
            with self._change:
                self.under_way.discard(job.number)
                self._change.notify_all()

    def _evaluate(self, job: Job, into: Path) -> Envelope:
        if self.die_in == job.number:
            raise Killed
        if job.number in self.fail:
            failure = Failure(kind=FailureKind.OOM, message="the room ran out of memory")
            seeds = tuple(SeedResult(seed=s.seed, failure=failure) for s in job.seeds)
            return Envelope(source_digest=job.source_digest, seeds=seeds, rooms=(FACTS,))
        (into / "predictions").mkdir(exist_ok=True)
        seeds = tuple(self._seed(s.seed, job.number, into) for s in job.seeds)
        return Envelope(source_digest=job.source_digest, seeds=seeds, rooms=(FACTS, facts("predict")))

    def predict(self, job: Job, split: str, weights: Path, into: Path) -> Envelope:
        assert split == "test"
        assert all(weights_file(weights, s.seed).is_file() for s in job.seeds)
        self.tested += 1
        (into / "predictions").mkdir(parents=True, exist_ok=True)
        seeds = tuple(self._predicted(s.seed, job.number, into) for s in job.seeds)
        return Envelope(source_digest=job.source_digest, seeds=seeds, rooms=(facts("predict"),))

    def _seed(self, seed: int, number: int, into: Path) -> SeedResult:
        (into / "weights").mkdir(exist_ok=True)
        weights = weights_file(into / "weights", seed)
        weights.write_bytes(b"weights of %d" % seed)
        trained = {"weights_digest": _digest(weights), "parameters": 10}
        return self._predicted(seed, number, into).model_copy(update=trained)

    def _predicted(self, seed: int, number: int, into: Path) -> SeedResult:
        draws = np.random.default_rng([seed, number])
        share = self.accuracies.get(number, ACCURACIES[(number - 1) % len(ACCURACIES)])
        right = draws.permutation(ROWS) < share * ROWS
        logits = np.eye(CLASSES, dtype="<f4")[np.where(right, self.targets, (self.targets + 1) % CLASSES)]
        predictions = predictions_file(into / "predictions", seed)
        logits.tofile(predictions)
        return SeedResult(seed=seed, predictions_digest=_digest(predictions))


class DyingRecorder(Recorder):
    """Dies right after its n-th line of the journal is on disk."""

    lines_to_live: int

    def note(self, kind: str, **body: Any) -> None:
        super().note(kind, **body)
        self.lines_to_live -= 1
        if self.lines_to_live == 0:
            raise Killed


def begin(
    path: Path,
    targets: np.ndarray,
    target: float | None = 0.99,
    key: SigningKey | None = None,
    *,
    metric: str = "accuracy",
    others: Mapping[str, np.ndarray] | None = None,
    **settings: Any,
) -> RunDirectory:
    """A run whose data are prepared; ``others``: targets of splits that are not as ``targets`` says."""
    directory = RunDirectory.create(path)
    draft = parse("classify", data="digits", metric=metric, target=target)
    goal = complete(draft, Task.CLASSIFICATION)
    usual: dict[str, Any] = {"max_iterations": 4, "num_seeds": 2, "seed": 0, "split_seed": 0, "planner": "search"}
    asked = RunSettings(name="test", goal=goal, data="digits", policy="standard", **(usual | settings))
    with recorder.begin(directory, asked, policy.load("standard"), session.versions(), key) as record:
        record.note("image", sandbox=IMAGE, prepare=IMAGE)
        dataset = _sealed(directory, dict.fromkeys(("train", "validation", "test"), targets) | dict(others or {}))
        digest = seal.file_digest(directory.sealed / seal.KEY)
        record.note("data_prepared", dataset=dataset, goal=goal, room=facts("prepare"), order_key_digest=digest)
    return directory


def go(
    directory: RunDirectory,
    rooms: Rooms,
    lines_to_live: int = 10**9,
    key: SigningKey | None = None,
    planner: Planner | None = None,
    *,
    experience: Experience | None = None,
    baselines: bool = False,
) -> Run:
    """Continue the run to its end; with ``baselines``, which take a second, as the program does."""
    with recorder.reopen(directory, key) as record:
        record.__class__ = DyingRecorder
        record.lines_to_live = lines_to_live
        rooms.open()
        planner, experience = planner or SearchPlanner(seed=0), experience or NoExperience()
        research = Research(record, None, planner, TemplateAuthor(), experience, SilentProgress())
        research.expect_defined()
        with research.finals.fitting() if baselines else nullcontext() as fitting:
            research.search.run(rooms)
            research.finals.run(rooms, fitting)
        research.finish()
        return record.run


def _sealed(directory: RunDirectory, targets: Mapping[str, np.ndarray]) -> Dataset:
    (directory.sealed / seal.KEY).write_bytes(os.urandom(32))
    arrays, digests = {}, {}
    for split, answers in targets.items():
        for name, array in ((f"{split}_inputs", np.zeros((ROWS, 1, 8, 8), "<f4")), (f"{split}_targets", answers)):
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
        source_digest=source_digest(specs.parse("digits"), {}),
        split_seed=0,
        facts=DataFacts(rows=3 * ROWS),
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
