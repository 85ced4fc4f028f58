"""When a run looks into its memory, what it takes from there, and what it gives back; a fake memory answers."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from fakes.rooms import Killed, Rooms, begin, go, labels
from fumehood.audit import audit
from fumehood.experience import Experience
from fumehood.planning.search import SearchPlanner
from fumehood.records import Dataset, Goal, Phase, Run
from fumehood.records.insight import Insight, Kind, Recalled, Remembered

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def _own_state_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(scope="module")
def targets():
    return labels()


class Noted(Experience):
    """Answers every look with one note, and counts."""

    def __init__(self, trouble: str = "") -> None:
        self.looks: list[tuple[Phase, str]] = []
        self.kept: list[Run] = []
        self.trouble = trouble

    def recall(self, goal: Goal, dataset: Dataset, phase: Phase, why: str) -> tuple[Sequence[Recalled], str]:
        self.looks.append((phase, why))
        return ((), self.trouble) if self.trouble else ([recalled(len(self.looks))], "")

    def keep(self, run: Run, folder: Path) -> Remembered | None:
        self.kept.append(run)
        return Remembered(insights=1, new=0 if self.trouble else 1, trouble=self.trouble)


class Listening(SearchPlanner):
    """Notes what it was told to have been recalled."""

    def __init__(self) -> None:
        super().__init__(seed=0)
        self.heard: list[list[str]] = []

    def propose(self, goal, dataset, history, pending, recalled=()):
        self.heard.append([one.insight.text for one in recalled])
        return super().propose(goal, dataset, history, pending, recalled)


def recalled(number: int) -> Recalled:
    note = Insight(
        id=f"{number:032x}",
        kind=Kind.NOTE,
        text=f"note {number}",
        importance=0.5,
        created_at="2026-11-23T03:15:00+00:00",
        phase=Phase.PLANNING,
    )
    return Recalled(insight=note, score=0.5, reason="a test says so")


def test_a_run_looks_before_its_first_proposal_and_tells_the_planner_every_time(tmp_path, targets):
    memory, planner = Noted(), Listening()
    run = go(begin(tmp_path / "run", targets, memory="default"), Rooms(targets), planner=planner, experience=memory)
    assert memory.looks == [(Phase.PLANNING, "nothing was tried yet")]
    assert planner.heard == [["note 1"]] * 4
    (looked,) = run.recollections
    assert (looked.number, [one.insight.text for one in looked.recalled]) == (1, ["note 1"])


def test_it_looks_again_after_a_failure_and_when_progress_stalls(tmp_path, targets):
    memory = Noted()
    rooms = Rooms(targets, fail=(2,))
    rooms.accuracies = {1: 0.9, **dict.fromkeys(range(3, 10), 0.5)}
    run = go(begin(tmp_path / "run", targets, memory="default", max_iterations=9), rooms, experience=memory)
    assert [one.number for one in run.recollections] == [1, 3, 7]
    assert [why for _, why in memory.looks] == [
        "nothing was tried yet",
        "iteration 2 failed (oom)",
        "the last 4 candidates were no better than the best before them",
    ]


def test_what_several_looks_found_is_told_once(tmp_path, targets):
    class Same(Noted):
        def recall(self, *asked):
            super().recall(*asked)
            return [recalled(1), recalled(1 + len(self.looks))], ""

    planner = Listening()
    rooms = Rooms(targets, fail=(2,))
    go(begin(tmp_path / "run", targets, memory="default"), rooms, planner=planner, experience=Same())
    assert planner.heard[-1] == ["note 1", "note 2", "note 3"]


def test_a_run_without_memory_never_looks_and_gives_nothing(tmp_path, targets):
    memory = Noted()
    run = go(begin(tmp_path / "run", targets), Rooms(targets, fail=(1,)), experience=memory)
    assert (memory.looks, memory.kept, run.recollections, run.remembered) == ([], [], (), None)


def test_a_memory_in_trouble_is_told_and_stops_nothing(tmp_path, targets):
    directory = begin(tmp_path / "run", targets, memory="default")
    run = go(directory, Rooms(targets), experience=Noted("the database is locked"))
    assert run.final is not None
    assert [one.trouble for one in run.recollections] == ["the database is locked"]
    assert run.remembered == Remembered(insights=1, new=0, trouble="the database is locked")
    assert audit(directory.path).passed


@pytest.mark.parametrize("lines", range(1, 20))
def test_a_run_killed_after_any_line_looks_no_second_time_and_gives_once(tmp_path, targets, lines):
    memory, directory = Noted(), begin(tmp_path / "run", targets, memory="default")
    with pytest.raises(Killed):
        go(directory, Rooms(targets), lines_to_live=lines, experience=memory)
    run = go(directory, Rooms(targets), experience=memory)
    assert [one.number for one in run.recollections] == [1]
    assert len(memory.looks) == 1
    assert len(memory.kept) == 1
    assert run.finished_at is not None


def test_the_memory_is_given_the_run_before_it_ends(tmp_path, targets):
    memory = Noted()
    go(begin(tmp_path / "run", targets, memory="default"), Rooms(targets), experience=memory)
    (kept,) = memory.kept
    assert kept.finished_at is None
    assert len(kept.iterations) == 4
