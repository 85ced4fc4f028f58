"""A real memory in research whose rooms alone are fakes: what one run found out, the next one knows."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fakes.rooms import Rooms, begin, go, labels
from fumehood.audit import audit
from fumehood.memory.context import ManualMemoryContextManager
from fumehood.memory.remembering import Remembering, recalled
from fumehood.memory.store import MemoryStore
from fumehood.records.insight import Evidence, Kind
from fumehood.rounding import rounded

pytestmark = [pytest.mark.memory, pytest.mark.unit]

GENEROUS = (600.0, 2**33)


@pytest.fixture(autouse=True)
def _own_state_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(scope="module")
def targets():
    return labels()


@pytest.fixture
def database(tmp_path) -> str:
    return str(tmp_path / "memory.db")


def research(path: Path, targets, manager: ManualMemoryContextManager, rooms: Rooms | None = None):
    directory = begin(path, targets, memory="default")
    return go(directory, rooms or Rooms(targets), experience=Remembering(manager, *GENEROUS)), directory


def test_the_winner_of_one_run_is_the_first_proposal_of_the_next(tmp_path, targets, database):
    first, _ = research(tmp_path / "1", targets, ManualMemoryContextManager(database))
    second, directory = research(tmp_path / "2", targets, ManualMemoryContextManager(database))
    assert first.recollections[0].recalled == ()
    won = first.best().plan
    assert second.iterations[0].plan.params["settings"] == won.params["settings"]
    summary = (directory.reports / "research_summary.md").read_text()
    assert "## Historical patterns used" in summary
    assert won.title in summary
    assert audit(directory.path).passed


def test_what_a_run_found_out_lies_in_its_folder_and_says_nothing_of_the_sealed_test(tmp_path, targets, database):
    run, directory = research(tmp_path / "1", targets, ManualMemoryContextManager(database))
    lines = (directory.insights() / "insights.jsonl").read_text().splitlines()
    assert len(lines) == run.remembered.insights == run.remembered.new > 0
    told = json.loads((directory.experiments / "memory_insights.json").read_text())
    assert [one["id"] for one in told["insights"]] == [json.loads(line)["id"] for line in lines]
    sealed = {repr(value) for value in run.final.score.primary.values}
    validated = {repr(value) for one in run.iterations for value in one.score.primary.values}
    validated |= {repr(value) for one in run.remeasured for value in one.score.primary.values}
    everything = "".join(lines)
    assert not [value for value in sealed - validated if value in everything]


def test_words_that_planners_read_hold_no_score_finer_than_its_noise(tmp_path, targets, database):
    _, directory = research(tmp_path / "1", targets, ManualMemoryContextManager(database))
    insights = [json.loads(line) for line in (directory.insights() / "insights.jsonl").read_text().splitlines()]
    told = [(one, insight["text"]) for insight in insights for one in insight["evidence"]]
    assert told, "the exact numbers are in the evidence"
    for evidence, words in told:
        mean = evidence["mean"]
        near = rounded(Evidence.model_validate_json(json.dumps(evidence)))
        assert near != mean, "a mean that rounding changes, or this shows nothing"
        assert f"accuracy {near:.4g} [" in words
        assert f"accuracy {mean:.4g} [" not in words
    assert "noise floor" not in " ".join(insight["text"] for insight in insights), "decisions' reasons are exact"


def test_failures_are_remembered_with_what_they_cost_and_under_which_limits(tmp_path, targets, database):
    research(tmp_path / "1", targets, ManualMemoryContextManager(database), Rooms(targets, fail=(2,)))
    with MemoryStore.open(database) as store:
        (failure,) = [one for one in store.all() if one.kind is Kind.FAILURE]
    assert failure.details["failure_kind"] == "oom"
    assert min(failure.details["cost"].values()) > 0
    assert failure.details["limits"]["memory"] > 0


@pytest.mark.parametrize(("memory", "binds"), [(2**40, False), (2**20, True)])
def test_a_failure_at_a_tighter_limit_is_no_warning(tmp_path, targets, database, memory, binds):
    research(tmp_path / "1", targets, ManualMemoryContextManager(database), Rooms(targets, fail=(2,)))
    directory = begin(tmp_path / "2", targets, memory="default")
    run = go(
        directory, Rooms(targets), experience=Remembering(ManualMemoryContextManager(database), GENEROUS[0], memory)
    )
    kinds = {one.insight.kind for look in run.recollections for one in look.recalled}
    assert (Kind.FAILURE in kinds) is binds


@contextmanager
def damaged(file: Path) -> Iterator[str]:
    file.write_bytes(b"this is no database" * 100)
    yield str(file)


@contextmanager
def locked(file: Path) -> Iterator[str]:
    MemoryStore.open(str(file)).close()
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield str(file)
        other.execute("ROLLBACK")


@contextmanager
def read_only(file: Path) -> Iterator[str]:
    MemoryStore.open(str(file)).close()
    yield f"sqlite:///file:{file}?mode=ro&uri=true"


@contextmanager
def out_of_reach(file: Path) -> Iterator[str]:
    yield "postgresql://nobody:secret@127.0.0.1:1/memory"


@pytest.mark.parametrize("state", [damaged, locked, read_only, out_of_reach])
def test_a_database_in_trouble_stops_no_run_and_the_insights_can_be_imported_later(tmp_path, targets, state):
    with state(tmp_path / "memory.db") as address:
        run, directory = research(tmp_path / "1", targets, ManualMemoryContextManager(address))
    assert run.final is not None
    assert bool(run.recollections[0].trouble) is (state in (damaged, out_of_reach)), "others can be read"
    assert run.remembered.trouble
    assert "secret" not in (directory.path / "journal.jsonl").read_text()
    with MemoryStore.open(str(tmp_path / "other.db")) as store:
        assert store.import_(directory.insights() / "insights.jsonl").new == run.remembered.insights


class Own(ManualMemoryContextManager):
    """A user's own choice of what helps, with the two arguments that were promised."""

    def get_smart_research_context(self, current_goal, research_phase):
        return {"insights": [{"text": f"In {research_phase}, think of the wine cellar."}, 7, {"text": 3}, {}]}


def test_a_manager_that_overrides_what_is_looked_up_is_asked(tmp_path, targets, database):
    run, _ = research(tmp_path / "1", targets, Own(database))
    (look,) = run.recollections
    assert [one.insight.text for one in look.recalled] == ["In planning, think of the wine cellar."]


@pytest.mark.parametrize("entry", [None, 3, {}, {"text": 3}, {"text": "a", "kind": "gossip"}, {"text": "x" * 5000}])
def test_what_is_no_insight_is_left_out(entry):
    assert recalled(entry) is None
