"""A journal cannot be altered unnoticed, survives being cut off, and says how far a run has come."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from fumehood import chain
from fumehood import journal as journal_module
from fumehood.errors import UsageError
from fumehood.journal import Journal, fold, read
from fumehood.records import (
    Decision,
    Envelope,
    Goal,
    ImageFact,
    MetricSummary,
    Plan,
    RunSettings,
    Score,
    Sealed,
    SeedResult,
    StopReason,
    Verdict,
)

pytestmark = pytest.mark.unit
GOAL = Goal(text="digits", metric="accuracy", direction="max", target=0.9, data="digits")
SETTINGS = RunSettings(
    name="n", goal=GOAL.model_copy(update={"metric": "undecided"}), data="digits", planner="search", max_iterations=2,
    num_seeds=1, seed=0, split_seed=0, policy="standard",
)  # fmt: skip
PLAN = Plan(family="mlp", title="t", rationale="r", model_config={"layers": []}, recipe={"lr": 0.001})
ENVELOPE = Envelope(source_digest="d", seeds=(SeedResult(seed=1, predictions_digest="p"),), rooms=())
IMAGE = ImageFact(tag="t", image_id="i", base="b", base_digest="d")


def a_score(value, split="validation"):
    metric = MetricSummary(
        name="accuracy", direction="max", mean=value, std=None, min=value, max=value, values=(value,), interval=None
    )
    return Score(
        split=split,
        metric="accuracy",
        metrics={"accuracy": metric},
        n_seeds=1,
        failed_seeds=0,
        n_examples=9,
        baseline=0.1,
    )


def dataset():
    return {
        "spec": "digits", "task": "classification", "input_kind": "tabular", "input_shape": [3], "num_outputs": 2,
        "encoding": {"kind": "tabular", "columns": []}, "target": {"name": "y", "classes": ["a", "b"]},
        "arrays": {"train_inputs": {"dtype": "float32", "shape": [6, 3]}}, "digests": {}, "source_digest": "s",
        "split_seed": 0, "facts": {"rows": 9},
    }  # fmt: skip


def start(journal):
    journal.append("started", run_id="r1", settings=SETTINGS, policy={"name": "standard"}, versions={"python": "3"})


def one_iteration(journal, number, score, verdict, stop=None):
    journal.append("proposed", number=number, plan=PLAN, source_digest="d")
    journal.append("evaluated", envelope=ENVELOPE)
    journal.append("decided", score=score, decision=Decision(verdict=verdict, reason="so", stop=stop))


def whole_run(journal):
    start(journal)
    journal.append("image", sandbox=IMAGE, prepare=IMAGE)
    journal.append("data_prepared", dataset=dataset(), goal=GOAL, room=None)
    one_iteration(journal, 1, a_score(0.8), Verdict.KEEP)
    journal.append("resumed")
    one_iteration(journal, 2, None, Verdict.DISCARD, StopReason.ITERATIONS)
    journal.append("test_predicted", envelope=ENVELOPE)
    journal.append("seal_opened", opening=3, test_digest="x")
    sealed = Sealed(iteration=1, score=a_score(0.95, "test"), opening=3, test_digest="x")
    journal.append("measured", sealed=sealed)
    journal.append("finished", goal_achieved=True)


@pytest.fixture
def path(tmp_path):
    with Journal(tmp_path / "journal.jsonl") as journal:
        whole_run(journal)
    return tmp_path / "journal.jsonl"


def refusal(path):
    with pytest.raises(UsageError) as caught:
        read(path)
    with pytest.raises(UsageError):
        Journal(path)
    assert caught.value.hint
    return caught.value.what


# ---- the chain -----------------------------------------------------------------------------------------------------


def test_what_was_written_is_read_again(path):
    entries = read(path)
    assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
    with Journal(path) as journal:
        assert journal.state == fold(entries)


def test_a_later_process_goes_on_with_the_chain(path):
    count = len(read(path))
    with Journal(path) as journal:
        journal.append("resumed")
    assert len(read(path)) == count + 1


@pytest.mark.parametrize("number", [1, 5, 8, 14])
@pytest.mark.parametrize("field", ["at", "kind", "body"])
def test_a_changed_line_is_named(path, number, field):
    lines = path.read_text().splitlines()
    entry = json.loads(lines[number - 1])
    entry[field] = {"x": 1} if field == "body" else entry[field] + "x"
    lines[number - 1] = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    path.write_text("\n".join(lines) + "\n")
    assert refusal(path).startswith(f"line {number} of journal.jsonl was changed")


def test_a_changed_number_deep_in_a_line_is_named(path):
    path.write_text(path.read_text().replace('"mean":0.95', '"mean":0.96'))
    assert "was changed after it was written" in refusal(path)


@pytest.mark.parametrize("change", [lambda line: line.replace(":", ": ", 1), lambda line: '{"at":"","at"' + line[5:]])
def test_a_line_that_only_looks_different_is_named_too(path, change):
    lines = path.read_text().splitlines()
    lines[2] = change(lines[2])
    path.write_text("\n".join(lines) + "\n")
    assert refusal(path).startswith("line 3 ")


@pytest.mark.parametrize("number", [1, 4, 13])
def test_a_line_that_was_cut_out_is_noticed_at_the_next(path, number):
    lines = path.read_text().splitlines()
    del lines[number - 1]
    path.write_text("\n".join(lines) + "\n")
    assert refusal(path) == f"line {number} of journal.jsonl does not follow from the line before it"


def test_reordered_lines_are_named(path):
    lines = path.read_text().splitlines()
    lines[3], lines[4] = lines[4], lines[3]
    path.write_text("\n".join(lines) + "\n")
    assert refusal(path) == "line 4 of journal.jsonl does not follow from the line before it"


@pytest.mark.parametrize("line", ["", "{}", "[]", "no", '{"number":1}', "\0"])
def test_a_line_that_is_no_entry_is_named(path, line):
    lines = path.read_text().splitlines()
    lines[6] = line
    path.write_text("\n".join(lines) + "\n")
    assert refusal(path) == "line 7 of journal.jsonl is not a journal entry"


@pytest.mark.parametrize("torn", ['{"at":"2026', '{"number":15}', "\xff", '{"at":"2026-11-23T00:00:00","body":{}'])
def test_a_torn_last_line_is_a_step_that_was_not(path, torn):
    entries, whole = read(path), path.read_bytes()
    path.write_bytes(whole + torn.encode("latin-1"))
    assert read(path) == entries
    with Journal(path) as journal:
        journal.append("resumed")
    assert path.read_bytes().startswith(whole)
    assert [entry.kind for entry in read(path)][-2:] == ["finished", "resumed"]


def test_a_journal_cut_within_its_last_line_loses_that_step_only(path):
    count = len(read(path))
    path.write_bytes(path.read_bytes()[:-20])
    assert len(read(path)) == count - 1


def test_a_number_that_is_not_finite_is_not_written(tmp_path):
    with Journal(tmp_path / "j") as journal:
        with pytest.raises(ValueError, match="JSON"):
            journal.append("evaluated", wall_s=float("nan"))
        assert read(tmp_path / "j") == []
    assert (tmp_path / "j").read_bytes() == b""


# ---- what it leads to ----------------------------------------------------------------------------------------------


def test_a_whole_run_is_rebuilt(path):
    run = fold(read(path)).run
    assert (run.run_id, run.settings.goal, run.image, run.resumed) == ("r1", GOAL, IMAGE, 1)
    assert [(i.number, i.score) for i in run.iterations] == [(1, a_score(0.8)), (2, None)]
    assert run.best().number == 1
    assert (run.stopped_because.value, run.final.opening, run.goal_achieved) == ("iterations", 3, True)
    assert run.finished_at == read(path)[-1].at
    assert run.dataset.rows("train") == 6


def test_the_state_moves_on_the_same_step_by_step(path):
    entries, state = read(path), None
    for entry in entries:
        state = fold([entry], state)
    assert state == fold(entries)


@pytest.mark.parametrize(
    ("steps", "expected"), [(3, []), (4, [(1, False)]), (5, [(1, True)]), (6, []), (8, [(2, False)])]
)
def test_a_step_that_was_begun_is_pending(path, steps, expected):
    begun = [(pending.number, pending.envelope is not None) for pending in fold(read(path)[:steps]).pending]
    assert begun == expected


def several(journal):
    """Three under way, of which the third and the first are evaluated."""
    start(journal)
    for number in (1, 2, 3):
        journal.append("proposed", number=number, plan=PLAN, source_digest=str(number))
    for number in (3, 1):
        journal.append("evaluated", number=number, envelope=ENVELOPE)


def keep(stop=None):
    return {"score": a_score(0.8), "decision": Decision(verdict=Verdict.KEEP, reason="so", stop=stop)}


def test_several_are_pending_at_once_and_evaluated_in_any_order(tmp_path):
    with Journal(tmp_path / "j") as journal:
        several(journal)
        begun = fold(read(tmp_path / "j")).pending
        assert [(p.number, p.source_digest, p.envelope is not None) for p in begun] == [
            (1, "1", True), (2, "2", False), (3, "3", True),
        ]  # fmt: skip
        journal.append("decided", number=1, **keep())
        state = fold(read(tmp_path / "j"))
        assert ([i.number for i in state.run.iterations], [p.number for p in state.pending]) == ([1], [2, 3])


def test_what_the_end_of_the_search_finds_under_way_is_told_and_not_decided(tmp_path):
    with Journal(tmp_path / "j") as journal:
        several(journal)
        journal.append("decided", number=1, **keep(StopReason.GOAL_MET))
        journal.append("abandoned", numbers=[2, 3])
    state = fold(read(tmp_path / "j"))
    assert (state.pending, state.run.abandoned) == ((), (2, 3))
    assert [(p.number, p.envelope is not None) for p in state.abandoned] == [(2, False), (3, True)]
    assert [i.number for i in state.run.iterations] == [1]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("proposed", {"number": 5, "plan": PLAN, "source_digest": "d"}),
        ("proposed", {"number": 3, "plan": PLAN, "source_digest": "d"}),
        ("evaluated", {"number": 4, "envelope": ENVELOPE}),
        ("evaluated", {"number": 0, "envelope": ENVELOPE}),
        ("evaluated", {"number": 3, "envelope": ENVELOPE}),
        ("decided", {"number": 2, **keep()}),
        ("decided", {"number": 3, **keep()}),
        ("abandoned", {"numbers": [1, 2, 3]}),
    ],
)
def test_an_entry_about_another_candidate_than_it_can_be_is_refused(tmp_path, kind, body):
    with Journal(tmp_path / "j") as journal:
        several(journal)
        journal.append(kind, **body)
    with pytest.raises(UsageError, match="does not know"):
        fold(read(tmp_path / "j"))


@pytest.mark.parametrize("numbers", [[2], [3], [2, 3, 4], [1, 2, 3], []])
def test_nothing_else_is_given_up_than_what_was_under_way(tmp_path, numbers):
    with Journal(tmp_path / "j") as journal:
        several(journal)
        journal.append("decided", number=1, **keep(StopReason.GOAL_MET))
        journal.append("abandoned", numbers=numbers)
    with pytest.raises(UsageError, match="does not know"):
        fold(read(tmp_path / "j"))


class Clocks:
    """A wall clock that somebody sets, and one that nobody does."""

    def __init__(self, monkeypatch):
        self.wall, self.ticks = datetime(2026, 11, 23, tzinfo=UTC), 100.0
        told = self

        class Wall(datetime):
            @classmethod
            def now(cls, zone=None):
                return told.wall

        monkeypatch.setattr(journal_module, "datetime", Wall)
        monkeypatch.setattr(journal_module.time, "monotonic", lambda: told.ticks)

    def pass_s(self, seconds):
        self.wall += timedelta(seconds=seconds)
        self.ticks += seconds


@pytest.mark.parametrize("hours", [-3, 0, 3])
def test_a_wall_clock_that_is_set_does_not_change_how_long_a_run_was_worked_on(tmp_path, monkeypatch, hours):
    clocks = Clocks(monkeypatch)
    with Journal(tmp_path / "j") as journal:
        start(journal)
        clocks.pass_s(10)
        journal.append("image", sandbox=IMAGE, prepare=IMAGE)
        clocks.wall += timedelta(hours=hours)
        clocks.pass_s(20)
        journal.append("exhausted")
        clocks.pass_s(5)
        assert journal.idle_s() == 5
    assert fold(read(tmp_path / "j")).worked_s == 30
    clocks.pass_s(1000)
    with Journal(tmp_path / "j") as journal:
        journal.append("resumed")
        clocks.pass_s(7)
        journal.append("finished", goal_achieved=None)
    assert fold(read(tmp_path / "j")).worked_s == 37


def test_a_line_that_bears_no_time_is_refused(tmp_path):
    first = chain.follow(None, "started", {"run_id": "r", "settings": SETTINGS.model_dump(mode="json"), "policy": {},
                                           "versions": {}}, None)  # fmt: skip
    entry = chain.follow(first, "resumed", {}, None).model_copy(update={"at": "yesterday"})
    with pytest.raises(UsageError, match="does not know"):
        fold([first, entry])


def test_an_opened_seal_is_remembered_before_it_is_measured(path):
    entries = read(path)
    opened = next(entry.number for entry in entries if entry.kind == "seal_opened")
    state = fold(entries[:opened])
    assert (state.opening, state.test_envelope, state.run.final) == (3, ENVELOPE, None)


def test_a_planner_with_nothing_left_ends_the_search(tmp_path):
    with Journal(tmp_path / "j") as journal:
        start(journal)
        assert fold(read(tmp_path / "j")).run.stopped_because is None
        journal.append("exhausted")
        assert fold(read(tmp_path / "j")).run.stopped_because is StopReason.EXHAUSTED


def test_an_empty_journal_says_that_the_run_never_began():
    with pytest.raises(UsageError, match="ended before it began"):
        fold([])


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("invented", {}),
        ("started", {}),
        ("evaluated", {"envelope": ENVELOPE}),
        ("decided", {"score": None, "decision": Decision(verdict=Verdict.KEEP, reason="")}),
        ("finished", {}),
        ("data_prepared", {"dataset": {}, "goal": GOAL}),
        ("proposed", {"number": "first"}),
        ("measured", {"sealed": {}}),
        ("image", {"sandbox": None}),
    ],
)
def test_an_entry_that_makes_no_sense_there_is_refused(tmp_path, kind, body):
    with Journal(tmp_path / "j") as journal:
        start(journal)
        journal.append(kind, **body)
        with pytest.raises(UsageError, match="does not know"):
            fold(read(tmp_path / "j"))


def test_a_journal_that_begins_in_the_middle_is_refused(tmp_path):
    with Journal(tmp_path / "j") as journal:
        journal.append("resumed")
        with pytest.raises(UsageError, match="does not know"):
            fold(read(tmp_path / "j"))
