"""The loop with everything real but the rooms, from any line of the journal on."""

import signal
import threading
import unicodedata
from pathlib import Path

import pytest

import hostile
from fakes.rooms import CLASSES, FACTS, ROWS, Killed, Rooms, begin, go, labels
from fumehood import interruption
from fumehood.cli import interrupt
from fumehood.errors import UsageError
from fumehood.executors import Job
from fumehood.executors.local import predictions_file
from fumehood.journal import read
from fumehood.records import Envelope, SeedResult, StopReason, Verdict
from fumehood_shared.messages import Failure, FailureKind

pytestmark = pytest.mark.unit


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
    return labels()


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


class ForeignWords(Rooms):
    """Every seed fails with words that would drive a terminal, and printed them too."""

    words = "".join(text for name, text in hostile.TERMINAL.items() if name != "surrogates")

    def evaluate(self, job: Job, into: Path) -> Envelope:
        failure = Failure(kind=FailureKind.CRASHED, message=self.words[:500], traceback=self.words)
        seeds = tuple(SeedResult(seed=s.seed, failure=failure) for s in job.seeds)
        return Envelope(source_digest=job.source_digest, seeds=seeds, rooms=(FACTS,), log_tail=self.words)


def test_what_a_candidate_said_drives_no_terminal_from_any_file_of_the_run(tmp_path, targets):
    directory = begin(tmp_path / "run", targets)
    run = go(directory, ForeignWords(targets))
    assert run.iterations[0].envelope.seeds[0].failure.traceback == ForeignWords.words
    files = [path for path in directory.path.rglob("*") if path.is_file() and directory.sealed not in path.parents]
    assert {"outcome.json", "plan.json", "room.log", "journal.jsonl", "registry.json"} <= {path.name for path in files}
    for path in files:
        hidden = {c for c in path.read_text() if unicodedata.category(c) in ("Cc", "Cf", "Co", "Cn", "Zl", "Zp")}
        assert hidden <= {"\n"}, path


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


class Deaf(Rooms):
    """A Ctrl-C comes while a destructor runs, out of which Python lets no exception."""

    def evaluate(self, job: Job, into: Path) -> Envelope:
        class Destroyed:
            def __del__(self) -> None:
                signal.raise_signal(signal.SIGINT)

        Destroyed()
        return super().evaluate(job, into)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interruption_that_python_swallows_ends_the_run_after_its_step(tmp_path, targets, monkeypatch):
    monkeypatch.setattr(interruption, "_asked", threading.Event())
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    directory = begin(tmp_path / "run", targets)
    try:
        interrupt.arm()
        with pytest.raises(KeyboardInterrupt):
            go(directory, Deaf(targets))
    finally:
        signal.signal(signal.SIGINT, before)
    assert [entry.kind for entry in read(directory.journal)][-1] == "evaluated"
    monkeypatch.setattr(interruption, "_asked", threading.Event())
    assert go(directory, Rooms(targets)).finished_at is not None
