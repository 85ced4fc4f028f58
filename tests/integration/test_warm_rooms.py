"""Warm rooms on the real engine: each for one job, none left at the end."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from fumehood import policy
from fumehood.errors import EngineError
from fumehood.executors import Job
from fumehood.sandbox.group import Abandoned, RoomGroup
from fumehood.sandbox.pool import Pool
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
