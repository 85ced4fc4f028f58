"""The loop with everything real but the rooms: a fake executor stands in for them and writes what rooms would bring."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from fumehood import policy, recorder
from fumehood.data import seal
from fumehood.errors import UsageError
from fumehood.executors import Job
from fumehood.executors.local import predictions_file, weights_file
from fumehood.goal import complete, parse
from fumehood.journal import read
from fumehood.planning.search import SearchPlanner
from fumehood.progress import SilentProgress
from fumehood.recorder import Recorder
from fumehood.records import Dataset, Envelope, RoomFacts, RunSettings, SeedResult, StopReason, Verdict
from fumehood.research import Research
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

pytestmark = pytest.mark.unit

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


class DyingRecorder(Recorder):
    """Dies right after its n-th line of the journal is on disk."""

    lines_to_live: int

    def note(self, kind, **body):
        super().note(kind, **body)
        self.lines_to_live -= 1
        if self.lines_to_live == 0:
            raise Killed


@pytest.fixture(autouse=True, scope="module")
def _own_state_folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory, targets):
    """A run that nothing interrupted."""
    return go(begin(tmp_path_factory.mktemp("whole") / "run", targets), Rooms(targets))


@pytest.fixture(scope="module")
def targets():
    return np.random.default_rng(0).permutation(np.arange(ROWS) % CLASSES).astype("<i8")


def test_the_best_candidate_is_kept_and_measured_once(tmp_path, targets):
    rooms = Rooms(targets)
    directory = begin(tmp_path / "run", targets)
    run = go(directory, rooms)
    assert [i.decision.verdict for i in run.iterations] == [Verdict.KEEP, Verdict.KEEP, Verdict.DISCARD, Verdict.KEEP]
    assert run.stopped_because is StopReason.ITERATIONS
    assert (run.incumbent, run.final.iteration, rooms.tested) == (4, 4, 1)
    assert run.final.opening >= 1
    assert run.goal_achieved is False
    assert [p.name for p in sorted(directory.winner_weights.iterdir())] == ["seed-0.safetensors", "seed-1.safetensors"]
    assert (directory.reports / "report.html").is_file()


def test_weights_are_kept_for_the_incumbent_only(tmp_path, targets):
    directory = begin(tmp_path / "run", targets)
    go(directory, Rooms(targets))
    assert [directory.iteration(n).joinpath("weights").exists() for n in (1, 2, 3, 4)] == [False, False, False, True]


def test_a_target_reached_on_validation_stops_the_search(tmp_path, targets):
    directory = begin(tmp_path / "run", targets, target=0.3)
    run = go(directory, Rooms(targets))
    assert (len(run.iterations), run.stopped_because, run.goal_achieved) == (1, StopReason.GOAL_MET, True)


def test_failures_are_data_and_the_search_goes_on(tmp_path, targets):
    run = go(begin(tmp_path / "run", targets), Rooms(targets, fail=(1, 3)))
    assert [i.score is None for i in run.iterations] == [True, False, True, False]
    assert run.incumbent == 4


def test_nothing_is_measured_where_nothing_survived(tmp_path, targets):
    rooms = Rooms(targets, fail=(1, 2, 3, 4))
    directory = begin(tmp_path / "run", targets)
    run = go(directory, rooms)
    assert (run.incumbent, run.final, run.goal_achieved, rooms.tested) == (None, None, False, 0)
    assert (directory.reports / "research_summary.md").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("lines", range(1, 16))
def test_a_run_killed_after_any_line_ends_as_if_it_had_not_been(tmp_path, targets, whole, lines):
    directory, rooms = begin(tmp_path / "run", targets), Rooms(targets)
    with pytest.raises(Killed):
        go(directory, rooms, lines_to_live=lines)
    run = go(directory, rooms)
    assert rooms.evaluated == [1, 2, 3, 4]
    assert rooms.tested == 1
    assert [i.model_dump() for i in run.iterations] == [i.model_dump() for i in whole.iterations]
    assert run.final.score == whole.final.score
    assert run.goal_achieved == whole.goal_achieved
    assert [e.kind for e in read(directory.journal)].count("seal_opened") == 1


def test_an_evaluation_killed_in_the_middle_is_done_again_with_the_same_plan(tmp_path, targets, whole):
    directory = begin(tmp_path / "run", targets)
    with pytest.raises(Killed):
        go(directory, Rooms(targets, die_in=3))
    (directory.iteration(3) / "predictions" / "seed-0.bin").write_bytes(b"half")
    run = go(directory, Rooms(targets))
    assert [i.plan for i in run.iterations] == [i.plan for i in whole.iterations]


def test_predictions_changed_on_disk_are_not_scored(tmp_path, targets):
    directory, rooms = begin(tmp_path / "run", targets), Rooms(targets)
    with pytest.raises(Killed):
        go(directory, rooms, lines_to_live=2)
    predictions_file(directory.iteration(1) / "predictions", 0).write_bytes(bytes(ROWS * CLASSES * 4))
    with pytest.raises(UsageError, match="not what the journal says"):
        go(directory, rooms)


def test_a_budget_that_is_out_ends_the_search_after_the_candidate(tmp_path, targets):
    directory = begin(tmp_path / "run", targets, budget_minutes=1e-6)
    run = go(directory, Rooms(targets))
    assert (len(run.iterations), run.stopped_because) == (1, StopReason.BUDGET)
    assert run.final is not None


def begin(path: Path, targets: np.ndarray, target: float = 0.99, budget_minutes: float | None = None) -> RunDirectory:
    """A run whose data are prepared."""
    directory = RunDirectory.create(path)
    draft = parse("classify", data="digits", metric="accuracy", target=target)
    goal = complete(draft, Task.CLASSIFICATION)
    settings = RunSettings(
        name="test",
        goal=goal,
        data="digits",
        planner="search",
        max_iterations=4,
        num_seeds=2,
        seed=0,
        split_seed=0,
        policy="standard",
        budget_minutes=budget_minutes,
    )
    with recorder.begin(directory, settings, policy.load("standard"), {}) as record:
        record.note("data_prepared", dataset=_sealed(directory, targets), goal=goal, room=FACTS)
    return directory


def go(directory: RunDirectory, rooms: Rooms, lines_to_live: int = 10**9):
    """Continue the run to its end."""
    with recorder.reopen(directory) as record:
        record.__class__ = DyingRecorder
        record.lines_to_live = lines_to_live
        research = Research(record, None, SearchPlanner(seed=0), SilentProgress())
        while record.run.stopped_because is None:
            research.step(rooms)
        research.measure(rooms)
        research.finish()
        return record.run


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
