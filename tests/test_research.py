"""The loop with everything real but the rooms, from any line of the journal on."""

import signal
import threading
import time
import unicodedata
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import hostile
from fakes.rooms import CLASSES, FACTS, ROWS, Killed, Rooms, begin, go, labels
from fumehood import interruption
from fumehood.audit import audit
from fumehood.cli import interrupt
from fumehood.errors import BudgetError, DataError, EngineError, LlmError, UnusableAnswerError, UsageError
from fumehood.executors import Job
from fumehood.executors.local import predictions_file
from fumehood.journal import read
from fumehood.planning.search import SearchPlanner
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
    assert [p.name for p in sorted(directory.winner_weights.iterdir())] == ["seed-2.safetensors", "seed-3.safetensors"]
    assert (directory.reports / "report.html").is_file()


class Lucky(Rooms):
    """Candidate 2 looks a little better than 1 and 3 in the search, and fresh seeds show that it was luck."""

    RIGHT: ClassVar = {False: {1: 0.8, 2: 0.82, 3: 0.8, 4: 0.2}, True: {1: 0.5, 2: 0.3, 3: 0.7}}

    def _predicted(self, seed: int, number: int, into: Path) -> SeedResult:
        self.accuracies = self.RIGHT["fresh" in into.parts]
        return super()._predicted(seed, number, into)


def test_the_winner_is_chosen_among_the_best_on_seeds_that_had_no_part_in_the_search(tmp_path, targets):
    rooms = Lucky(targets)
    directory = begin(tmp_path / "run", targets)
    run = go(directory, rooms)
    searched, fresh = run.settings.design.seeds, run.settings.design.fresh_seeds
    assert not set(searched) & set(fresh)
    assert (run.incumbent, [one.iteration for one in run.remeasured]) == (1, [1, 2, 3])
    assert all([seed.seed for seed in one.envelope.seeds] == list(fresh) for one in run.remeasured)
    assert (run.winner, run.final.iteration, run.best().number) == (3, 3, 3)
    assert [directory.again(n).joinpath("weights").exists() for n in (1, 2, 3)] == [False, False, True]
    weights = {path.name: path.read_bytes() for path in directory.winner_weights.iterdir()}
    assert weights == {path.name: path.read_bytes() for path in (directory.again(3) / "weights").iterdir()}
    assert audit(directory.path).passed


class Unlucky(Rooms):
    """Nothing survives on fresh seeds."""

    def evaluate(self, job: Job, into: Path) -> Envelope:
        self.fail = (1, 2, 3, 4) if job.isolated else ()
        return super().evaluate(job, into)


def test_a_winner_that_fails_on_every_fresh_seed_is_none_and_the_seal_stays_closed(tmp_path, targets):
    rooms = Unlucky(targets)
    run = go(begin(tmp_path / "run", targets), rooms)
    assert (run.settled, run.winner, run.best(), run.final, run.goal_achieved) == (True, None, None, None, False)
    assert rooms.tested == 0


def test_a_candidate_that_is_clearly_worse_gets_no_more_seeds_and_the_others_get_all(tmp_path, targets):
    rooms = Rooms(targets)
    rooms.width = 1
    rooms.accuracies = {1: 0.8, 2: 0.3, 3: 0.95, 4: 0.2}
    directory = begin(tmp_path / "run", targets, num_seeds=3)
    run = go(directory, rooms)
    assert [len(i.envelope.seeds) for i in run.iterations] == [3, 1, 3, 1]
    assert [i.envelope.stages for i in run.iterations] == [(3,), (1,), (1, 2), (1,)]
    assert [i.decision.verdict for i in run.iterations] == [
        Verdict.KEEP,
        Verdict.DISCARD,
        Verdict.KEEP,
        Verdict.DISCARD,
    ]
    assert [i.score.n_seeds for i in run.iterations] == [3, 1, 3, 1]
    assert run.iterations[1].decision.reason.startswith("Given up after 1 of 3 seeds.")
    assert audit(directory.path).passed


def test_first_seeds_that_all_fail_are_the_last(tmp_path, targets):
    rooms = Rooms(targets, fail=(2,))
    rooms.width = 1
    run = go(begin(tmp_path / "run", targets, num_seeds=3), rooms)
    assert len(run.iterations[1].envelope.seeds) == 1
    assert run.iterations[1].score is None


def test_every_comparison_with_the_incumbent_is_noted_and_corrected_for_all_that_were_planned(tmp_path, targets):
    rooms = Rooms(targets)
    rooms.accuracies = {1: 0.4, 2: 0.9, 3: 0.9, 4: 0.5}
    run = go(begin(tmp_path / "run", targets), rooms)
    first, *others = [i.decision.comparison for i in run.iterations]
    assert first is None
    assert [one.claims(0.95) for one in others] == [True, False, False]
    assert others[0].adjusted_p_value == pytest.approx(3 * others[0].p_value)


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


class Forgetful(SearchPlanner):
    """Proposes its first plan again, as its third, and then for ever."""

    def propose(self, goal, dataset, history, pending, recalled=()):
        number = len(history) + len(pending) + 1
        return super().propose(goal, dataset, history if number == 2 else (), pending if number == 2 else (), recalled)


@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize("fail", [(), (1,)])
def test_a_source_is_never_run_twice_and_what_came_of_it_is_taken_over(tmp_path, targets, parallel, fail):
    rooms = Rooms(targets, fail=fail)
    directory = begin(tmp_path / "run", targets, parallel=parallel)
    run = go(directory, rooms, planner=Forgetful(seed=0))
    assert (sorted(rooms.evaluated), [i.envelope.repeats for i in run.iterations]) == ([1, 2], [None, None, 1, 1])
    first, _, third, _ = run.iterations
    assert (third.source_digest, third.score) == (first.source_digest, first.score)
    assert third.decision.verdict is Verdict.DISCARD
    assert "same source as iteration 1" in third.decision.reason
    assert {one.iteration for one in run.remeasured} <= {1, 2}
    assert audit(directory.path).passed


@pytest.mark.parametrize("lines", range(1, 12))
def test_a_run_with_a_repeated_source_killed_after_any_line_ends_as_if_it_had_not_been(tmp_path, targets, lines):
    directory = begin(tmp_path / "run", targets, parallel=2)
    with pytest.raises(Killed):
        go(directory, Rooms(targets), lines_to_live=lines, planner=Forgetful(seed=0))
    run = go(directory, Rooms(targets), planner=Forgetful(seed=0))
    assert [i.envelope.repeats for i in run.iterations] == [None, None, 1, 1]
    assert audit(directory.path).passed


class Asking(SearchPlanner):
    """Raises what it is told to, as often as it is told to, when it is asked for its third proposal."""

    def __init__(self, error: Exception, times: int) -> None:
        super().__init__(seed=0)
        self.error, self.times = error, times

    def propose(self, goal, dataset, history, pending, recalled=()):
        if len(history) + len(pending) == 2 and self.times > 0:
            self.times -= 1
            raise self.error
        return super().propose(goal, dataset, history, pending, recalled)


@pytest.mark.parametrize("parallel", [1, 2, 4])
def test_a_budget_that_covers_no_further_question_lets_what_was_paid_for_finish_and_measures_the_best(
    tmp_path, targets, parallel
):
    directory = begin(tmp_path / "run", targets, parallel=parallel)
    run = go(directory, Rooms(targets), planner=Asking(BudgetError("the tokens are spent"), 99))
    assert (run.stopped_because, len(run.iterations), run.abandoned) == (StopReason.BUDGET, 2, ())
    assert run.final is not None
    assert audit(directory.path).passed


def test_a_proposal_that_cannot_be_used_is_asked_for_again(tmp_path, targets):
    run = go(begin(tmp_path / "run", targets), Rooms(targets), planner=Asking(UnusableAnswerError("no JSON"), 2))
    assert len(run.iterations) == 4


def test_three_in_a_row_end_the_process_and_the_run_goes_on_later(tmp_path, targets, whole):
    directory = begin(tmp_path / "run", targets)
    with pytest.raises(LlmError, match=r"3 proposals in a row.*no JSON"):
        go(directory, Rooms(targets), planner=Asking(UnusableAnswerError("no JSON"), 3))
    run = go(directory, Rooms(targets))
    assert [i.source_digest for i in run.iterations] == [i.source_digest for i in whole.iterations]


def test_failures_are_data_and_the_search_goes_on(tmp_path, targets):
    run = go(begin(tmp_path / "run", targets), Rooms(targets, fail=(1, 3)))
    assert [i.score is None for i in run.iterations] == [True, False, True, False]
    assert run.incumbent == 4


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_metric_that_a_split_does_not_define_ends_the_run_before_a_candidate_is_tried(tmp_path, targets, split):
    rooms, without = Rooms(targets), np.where(targets == 2, 0, targets)
    directory = begin(tmp_path / "run", targets, metric="roc_auc", others={split: without})
    for _ in range(2):  # a resumed run meets it too, and just as early
        with pytest.raises(DataError) as caught:
            go(directory, rooms)
    assert caught.value.what == f"roc_auc is not defined on the {split} rows: no example of class 'c'."
    assert "another split" in caught.value.hint
    assert "another metric: accuracy, " in caught.value.hint
    assert caught.value.exit_code == 2
    assert (rooms.evaluated, rooms.tested) == ([], 0)
    assert {"proposed", "seal_opened"}.isdisjoint(entry.kind for entry in read(directory.journal))


def test_a_tracked_metric_of_another_task_ends_the_run_before_a_candidate_is_tried(tmp_path, targets):
    rooms = Rooms(targets)
    directory = begin(tmp_path / "run", targets, metrics=("f1_macro", "rmse"))
    with pytest.raises(UsageError, match="rmse cannot be measured: the data set is for classification") as caught:
        go(directory, rooms)
    assert "f1_macro" in caught.value.hint
    assert (rooms.evaluated, rooms.tested) == ([], 0)


def test_a_metric_that_every_split_defines_may_miss_a_class_elsewhere(tmp_path, targets):
    """Accuracy asks for no example of every class, and a run for it goes on as ever."""
    rooms, without = Rooms(targets), np.where(targets == 2, 0, targets)
    run = go(begin(tmp_path / "run", targets, others={"test": without}), rooms)
    assert (run.final.score.metric, rooms.tested) == ("accuracy", 1)
    assert run.final.score.undefined["roc_auc"] == "no example of class 'c'"
    assert run.iterations[0].score.undefined == {}


def test_nothing_is_measured_where_nothing_survived(tmp_path, targets):
    rooms = Rooms(targets, fail=(1, 2, 3, 4))
    directory = begin(tmp_path / "run", targets)
    run = go(directory, rooms)
    assert (run.incumbent, run.final, run.goal_achieved, rooms.tested) == (None, None, False, 0)
    assert (directory.reports / "research_summary.md").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("lines", range(1, 18))
def test_a_run_killed_after_any_line_ends_as_if_it_had_not_been(tmp_path, targets, whole, lines):
    directory, rooms = begin(tmp_path / "run", targets), Rooms(targets)
    with pytest.raises(Killed):
        go(directory, rooms, lines_to_live=lines)
    run = go(directory, rooms)
    assert (rooms.evaluated, rooms.again) == ([1, 2, 3, 4], [4])
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


class Deaf(SearchPlanner):
    """A Ctrl-C comes while a destructor runs, out of which Python lets no exception."""

    def propose(self, *question):
        class Destroyed:
            def __del__(self) -> None:
                signal.raise_signal(signal.SIGINT)

        Destroyed()
        return super().propose(*question)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interruption_that_python_swallows_ends_the_run_after_its_step(tmp_path, targets, monkeypatch):
    monkeypatch.setattr(interruption, "_asked", threading.Event())
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    directory = begin(tmp_path / "run", targets)
    try:
        interrupt.arm()
        with pytest.raises(KeyboardInterrupt):
            go(directory, Rooms(targets), planner=Deaf(seed=0))
    finally:
        signal.signal(signal.SIGINT, before)
    assert [entry.kind for entry in read(directory.journal)][-1] == "proposed"
    monkeypatch.setattr(interruption, "_asked", threading.Event())
    assert go(directory, Rooms(targets)).finished_at is not None


# ---- several candidates at once ----------------------------------------------------------------------------------

SIX: dict[str, int] = {"max_iterations": 6, "parallel": 3}
NEVER = 99


@pytest.fixture(scope="module")
def six(tmp_path_factory, targets):
    """Six candidates, three at once, that nothing interrupted."""
    return go(begin(tmp_path_factory.mktemp("six") / "run", targets, **SIX), Rooms(targets))


def told(run):
    """Everything about a run's candidates that does not tell one process from another."""
    return [one.model_dump() for one in run.iterations]


class Noting(SearchPlanner):
    def __init__(self):
        super().__init__(seed=0)
        self.asked = []

    def propose(self, goal, dataset, history, pending, recalled=()):
        self.asked.append((len(history), len(pending)))
        return super().propose(goal, dataset, history, pending, recalled)


def test_a_candidate_is_proposed_when_the_first_of_those_under_way_is_decided(tmp_path, targets):
    planner = Noting()
    go(begin(tmp_path / "run", targets, **SIX), Rooms(targets, after={1: 3, 4: 6}), planner=planner)
    assert planner.asked == [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (3, 2)]


def test_as_many_are_under_way_as_were_asked_for_and_no_more(tmp_path, targets):
    rooms = Rooms(targets, after={1: 3, 2: 3})
    go(begin(tmp_path / "run", targets, **SIX), rooms)
    assert rooms.most_at_once == 3
    alone = Rooms(targets)
    go(begin(tmp_path / "alone", targets), alone)
    assert alone.most_at_once == 1


@pytest.mark.parametrize(
    "after", [{1: 2, 2: 3}, {2: 1, 3: 2, 4: 3, 5: 4, 6: 5}, {1: 3, 4: 6, 2: 1}], ids=["late", "early", "mixed"]
)
def test_which_candidate_is_ready_first_changes_nothing(tmp_path, targets, six, after):
    directory, rooms = begin(tmp_path / "run", targets, **SIX), Rooms(targets, after=after)
    run = go(directory, rooms)
    assert told(run) == told(six)
    assert (run.incumbent, run.final.score) == (six.incumbent, six.final.score)
    journalled = [entry.body["number"] for entry in read(directory.journal) if entry.kind == "evaluated"]
    assert sorted(journalled) == sorted(rooms.evaluated) == [1, 2, 3, 4, 5, 6]
    assert all(rooms.evaluated.index(late) > rooms.evaluated.index(early) for late, early in after.items())


def test_no_candidate_is_begun_that_could_not_be_decided(tmp_path, targets):
    rooms = Rooms(targets, after={1: 4})
    run = go(begin(tmp_path / "run", targets, parallel=9), rooms)
    assert ([i.number for i in run.iterations], run.abandoned) == ([1, 2, 3, 4], ())
    assert sorted(rooms.evaluated) == [1, 2, 3, 4]


@pytest.mark.slow
@pytest.mark.parametrize("lines", range(1, 22))
def test_a_run_of_several_at_once_killed_after_any_line_ends_as_if_it_had_not_been(tmp_path, targets, six, lines):
    directory, rooms = begin(tmp_path / "run", targets, **SIX), Rooms(targets)
    with pytest.raises(Killed):
        go(directory, rooms, lines_to_live=lines)
    assert rooms.under_way == set()
    run = go(directory, rooms)
    assert told(run) == told(six)
    assert (run.final.score, run.goal_achieved, rooms.tested) == (six.final.score, six.goal_achieved, 1)


class Endless(Rooms):
    """Every candidate but the first waits until it is given up."""

    def __init__(self, targets):
        super().__init__(targets, after=dict.fromkeys(range(2, 10), NEVER))


def test_what_is_under_way_when_the_goal_is_met_is_given_up_and_told(tmp_path, targets):
    rooms, directory = Endless(targets), begin(tmp_path / "run", targets, target=0.3, **SIX)
    run = go(directory, rooms)
    assert (rooms.under_way, rooms.evaluated) == (set(), [1])
    assert ([i.number for i in run.iterations], run.abandoned) == ([1], (2, 3))
    assert (run.stopped_because, run.goal_achieved) == (StopReason.GOAL_MET, True)
    assert "Iterations 2, 3 were under way" in (directory.reports / "research_summary.md").read_text()
    assert audit(directory.path).passed


@pytest.mark.parametrize("lines", range(5, 10))
def test_what_was_given_up_stays_so_however_the_run_is_killed_after_that(tmp_path, targets, lines):
    """Of the lines, the fifth is the decision that stops the search."""
    rooms, directory = Endless(targets), begin(tmp_path / "run", targets, target=0.3, **SIX)
    with pytest.raises(Killed):
        go(directory, rooms, lines_to_live=lines)
    assert audit(directory.path).passed
    run = go(directory, rooms)
    assert (len(run.iterations), run.abandoned, rooms.tested) == (1, (2, 3), 1)
    assert audit(directory.path).passed


class Broken(Endless):
    """The engine fails under the third candidate, while the others are under way."""

    def _evaluate(self, job, into):
        if job.number == 3:
            with self._change:
                self._change.wait_for(lambda: len(self.under_way) == 3)
            raise EngineError("the engine is gone", "start it")
        return super()._evaluate(job, into)


def test_a_failure_of_the_engine_ends_every_room_and_the_run_goes_on_later(tmp_path, targets, six):
    rooms, directory = Broken(targets), begin(tmp_path / "run", targets, **SIX)
    with pytest.raises(EngineError, match="the engine is gone"):
        go(directory, rooms)
    assert rooms.under_way == set()
    assert told(go(directory, Rooms(targets))) == told(six)


def test_an_interruption_ends_every_room_and_the_run_goes_on_later(tmp_path, targets, six):
    rooms, directory = Endless(targets), begin(tmp_path / "run", targets, **SIX)
    main = threading.main_thread().ident

    def interrupts():
        while rooms.under_way != {2, 3, 4}:
            time.sleep(0.001)
        signal.pthread_kill(main, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupts)
    try:
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            go(directory, rooms)
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert rooms.under_way == set()
    assert told(go(directory, Rooms(targets))) == told(six)
