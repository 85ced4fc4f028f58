"""Controls of the deeds: with a wall taken away the same program gets what it is after; an honest one is accepted."""

from dataclasses import replace

import pytest

from fumehood.attacks import deeds, exhaust, forge, reader, rivals, succession, words
from fumehood.attacks.attack import Deed, Group
from fumehood.attacks.rivals import Rivalry
from fumehood.attacks.stage import Stage
from fumehood.attacks.traces import Traces

pytestmark = [pytest.mark.attacks, pytest.mark.integration, pytest.mark.slow]

RELAXABLE = [deed for deed in exhaust.DEEDS if deed.relaxed]
EVERYTHING_OPEN = '{"defaultAction":"SCMP_ACT_ALLOW"}'


@pytest.fixture(scope="module")
def relaxed(stage: Stage) -> dict[str, bool]:
    return deeds.controls(stage, RELAXABLE)


@pytest.mark.parametrize("name", [deed.name for deed in RELAXABLE])
def test_a_deed_succeeds_where_its_limit_is_wide(relaxed: dict[str, bool], name: str) -> None:
    assert relaxed[name]


def test_an_honest_candidate_is_accepted_under_all_the_small_limits(stage: Stage) -> None:
    limits = {key: value for deed in exhaust.DEEDS for key, value in deed.limits.items()}
    twin = Deed("honest-twin", Group.EXHAUST, "accepted", judge=lambda after: (after.told, True), limits=limits)
    (after,) = deeds.aftermaths(stage, [twin])
    assert after.failure is None
    assert after.left == ()
    assert 0 < after.tasks <= limits["pids"]


@pytest.mark.parametrize("rivalry", [exhaust.RIVALRY, forge.RIVALRY], ids=lambda rivalry: rivalry.name)
def test_rooms_are_rivals_where_the_wall_between_them_is_taken_away(stage: Stage, rivalry: Rivalry) -> None:
    assert rivals.succeeds(stage, rivalry)


def test_a_train_room_that_is_left_alive_is_seen_at_work_when_its_predict_room_begins(stage: Stage) -> None:
    told = succession.tried(stage, forge.SUCCESSION, isolated=True, left_alive=True)
    assert [moment.train_ended for moment in told.moments] == [None, None]
    assert not any(moment.is_alone for moment in told.moments)
    assert told.said.count("signals with strength") == 2


def test_an_honest_output_is_accepted_and_a_pipe_that_an_unfiltered_room_can_make_is_not(stage: Stage) -> None:
    cage = stage.host.room("train", stage.executor.pool.data).cage
    unfiltered = stage.host.room_as(replace(cage, seccomp=EVERYTHING_OPEN))
    pipe = next(tree for tree in reader.TREES if tree.name == "fifo")
    honest = reader.Tree("honest-output", Group.READER, "accepted", kinds=())
    found = {finding.name: finding.seen for finding in reader.tree_findings(stage, unfiltered, [honest, pipe])}
    assert found["honest-output"] == "accepted"
    assert "not a regular file" in found["fifo"]


def test_hostile_words_are_hostile_before_they_are_escaped(stage: Stage) -> None:
    assert {"a control character", "<script"} <= set(words.raw(stage, reader.WORDS))


@pytest.mark.parametrize("name", ["row-position", "hash-table"])
def test_whoever_knows_the_answers_scores_perfectly_where_no_row_is_asked_twice(stage: Stage, name: str) -> None:
    assert forge.is_worth(stage, name) == 1.0


def test_traces_of_a_room_that_is_still_there_are_found(stage: Stage) -> None:
    with stage.host.room("train", stage.executor.pool.data) as room:
        there = Traces.of(stage.host.api, room).left(stage.host.api)
    assert {"its container", "its volume"} <= set(there)
    assert any(trace.startswith("process") for trace in there)
    assert any(trace.startswith("cgroup") for trace in there)
