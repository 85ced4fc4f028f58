"""Warm rooms on the real engine: each for one job, none left at the end."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from fumehood import AgentOrchestrator, QuickEvalConfig, policy, preparation
from fumehood.errors import EngineError
from fumehood.executors import Job
from fumehood.sandbox.group import Abandoned, RoomGroup
from fumehood.sandbox.host import Host
from fumehood.sandbox.pool import Pair, Pool
from fumehood_shared.messages import SeedSpec
from integration import candidates
from integration.lab import Lab, Traces, owned, tightened, wait_until

pytestmark = pytest.mark.integration


@pytest.fixture
def pool(lab: Lab) -> Pool:
    return Pool([lab.host], lab.volume, places=1)


def test_a_pair_is_ready_before_it_is_asked_for_and_gone_after_its_job(lab: Lab, pool: Pool) -> None:
    with pool:
        pool.settle()
        (warm,) = pool._made
        with pool.pair(RoomGroup()) as pair:
            assert pair is warm
            traces = [Traces.of(lab.host.api, room) for room in (pair.train, pair.predict)]
        pool.settle()
        assert [trace.left(lab.host.api) for trace in traces] == [[], []]
        with pool.pair(RoomGroup()) as other:
            assert other is not warm, "a pair serves once"
    assert owned(lab.host.api, f"fumehood.owner={lab.host.owner.id}") == [lab.volume.name]


def test_a_warm_room_that_was_lost_is_not_given_to_a_job(lab: Lab, pool: Pool) -> None:
    with pool:
        pool.settle()
        (warm,) = pool._made
        os.kill(lab.host.api.inspect_container(warm.predict.cage.name)["State"]["Pid"], signal.SIGKILL)
        assert wait_until(lambda: not warm.is_alive, 5.0)
        with pool.pair(RoomGroup()) as pair:
            assert pair is not warm
            assert pair.is_alive
    assert owned(lab.host.api, f"fumehood.owner={lab.host.owner.id}") == [lab.volume.name]


def test_a_policy_that_cannot_be_met_is_told_to_whoever_wants_a_pair(lab: Lab) -> None:
    hasty = tightened(policy.load("standard"), ready_s=0.01)
    with Pool([lab.under(hasty).host], lab.volume, places=1) as pool:
        with pytest.raises(EngineError, match="did not get ready in time"), pool.pair(RoomGroup()):
            pytest.fail("there is no such pair")
        pool.expect(0, more=False)
    assert owned(lab.host.api, f"fumehood.owner={lab.host.owner.id}") == [lab.volume.name]


def test_whoever_waits_for_a_place_gets_it_when_another_is_done_and_none_once_it_is_given_up(
    lab: Lab, pool: Pool
) -> None:
    given_up, entered = RoomGroup(), threading.Event()

    def second() -> None:
        with pool.pair(RoomGroup()):
            entered.set()

    with pool:
        with pool.pair(RoomGroup()):
            waiting = threading.Thread(target=second)
            waiting.start()
            time.sleep(0.3)
            assert not entered.is_set(), "there is one place"
        assert entered.wait(60.0)
        waiting.join(60.0)
        given_up.abandon()
        with pytest.raises(Abandoned), pool.pair(given_up):
            pytest.fail("the group was given up")


def test_an_evaluation_that_is_given_up_ends_at_once(lab: Lab, tmp_path: Path) -> None:
    job = Job(number=1, source=candidates.ENDLESS, seeds=(SeedSpec(seed=0, order=0),))
    ended: list[BaseException] = []

    with lab.executor() as executor:

        def evaluate() -> None:
            try:
                executor.evaluate(job, tmp_path)
            except Abandoned as end:
                ended.append(end)

        worker = threading.Thread(target=evaluate)
        worker.start()
        query = {"label": [f"fumehood.owner={lab.host.owner.id}", "fumehood.kind=train"]}
        assert wait_until(lambda: lab.host.api.containers(filters=query), 60.0)
        executor.abandon()
        worker.join(20.0)
    assert ended
    assert owned(lab.host.api, f"fumehood.owner={lab.host.owner.id}") == [lab.volume.name]


def test_the_next_pair_works_while_the_one_before_is_still_being_removed(
    lab: Lab, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_close, close = threading.Event(), Pair.close

    def late(pair: Pair) -> None:
        may_close.wait(60.0)
        close(pair)

    monkeypatch.setattr(Pair, "close", late)
    with pool:
        with pool.pair(RoomGroup()) as first:
            trace = Traces.of(lab.host.api, first.train)
        with pool.pair(RoomGroup()) as second:
            assert second is not first
            assert "container" in trace.left(lab.host.api)
        may_close.set()
    assert trace.left(lab.host.api) == []


def test_the_first_pair_of_a_run_warms_while_its_data_are_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    prepare, waited = preparation.prepare, []

    def wait_for_a_room(host: Host, *arguments: Any, **named: Any) -> Any:
        query = {"label": [f"fumehood.owner={host.owner.id}", "fumehood.kind=train"]}
        waited.append(wait_until(lambda: host.api.containers(filters=query), 60.0))
        return prepare(host, *arguments, **named)

    monkeypatch.setattr(preparation, "prepare", wait_for_a_room)
    config = QuickEvalConfig(dataset_name="iris", num_seeds=1, epochs=1)
    AgentOrchestrator(max_iterations=1, eval_config=config).run(goal="Classify iris", workdir=tmp_path / "run")
    assert waited == [True]
