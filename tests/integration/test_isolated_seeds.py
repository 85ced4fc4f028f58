"""Seeds in rooms of their own, several at a time: the same results, and one end for all of them."""

import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaos.ear import Ear
from fumehood.errors import EngineError
from fumehood.executors import Job
from fumehood.records import Envelope
from fumehood_shared.messages import FailureKind, SeedSpec
from integration import candidates
from integration.lab import Lab, owned, tightened, wait_until

pytestmark = pytest.mark.integration

SEEDS = tuple(SeedSpec(seed=k, order=k) for k in range(3))
FAILS_FOR_ONE = (
    candidates.LINEAR
    + """
def train(model, data, context):
    import time
    time.sleep(2)
    assert context.seed != 1, 'not this one'
"""
)
"""Sleeps for longer than one pair of rooms may be ready before the next."""


def isolated(lab: Lab, cpus: int) -> Lab:
    """One seed a room, and ``cpus`` of them at once (see ``evaluated``), with as many threads whatever that is."""
    policy = tightened(lab.host.policy, cpus=1.0).model_copy(update={"isolate_seeds": True})
    limits = policy.predict.model_copy(update={"cpus": 1.0})
    return replace(lab, host=replace(lab.host, policy=policy.model_copy(update={"predict": limits}), cpus=cpus))


def evaluated(lab: Lab, source: str, into: Path) -> Envelope:
    into.mkdir()
    with lab.executor(places=lab.host.cpus) as executor:
        return executor.evaluate(Job(number=1, source=source, seeds=SEEDS), into)


def results(envelope: Envelope) -> list[tuple[Any, ...]]:
    return [(s.seed, s.weights_digest, s.parameters, s.failure and s.failure.kind) for s in envelope.seeds]


def most_at_once(lab: Lab, source: str, into: Path) -> tuple[Envelope, int]:
    """The evaluation, and how many train rooms worked at the same time."""
    seen, over = [0], threading.Event()

    def look(ear: Ear) -> None:
        while not over.wait(0.01):
            seen.append(ear.working("train", lab.host.owner.run_id))

    with closing(Ear(lab.host.api)) as ear:
        watch = threading.Thread(target=look, args=[ear])
        watch.start()
        try:
            envelope = evaluated(lab, source, into)
        finally:
            over.set()
            watch.join()
    return envelope, max(seen)


def test_seeds_at_the_same_time_bring_what_they_bring_one_after_another(lab: Lab, tmp_path: Path) -> None:
    one_by_one, alone = most_at_once(isolated(lab, 1), FAILS_FOR_ONE, tmp_path / "a")
    together, many = most_at_once(isolated(lab, 3), FAILS_FOR_ONE, tmp_path / "b")
    assert alone == 1
    assert many >= 2
    assert results(one_by_one) == results(together)
    assert [s.failure.kind if s.failure else None for s in together.seeds] == [None, FailureKind.CRASHED, None]
    assert len(together.rooms) == 5, "two rooms a seed, and one for the seed that failed in training"


def test_one_seed_s_engine_trouble_ends_the_others_and_leaves_nothing(lab: Lab, tmp_path: Path) -> None:
    """All three wait in their rooms for a minute; one room is stopped from outside."""
    api, label = lab.host.api, f"fumehood.owner={lab.host.owner.id}"
    query = {"label": [label, "fumehood.kind=train"]}

    def holding() -> list[str]:
        states = {c["Id"]: api.inspect_container(c["Id"])["State"] for c in api.containers(filters=query)}
        return [name for name, s in states.items() if Path(f"/proc/{s['Pid']}/root/tmp/holding").exists()]

    def stop_one() -> None:
        assert wait_until(lambda: len(holding()) == 3, 60.0)
        api.kill(holding()[0])

    thread = threading.Thread(target=stop_one)
    thread.start()
    with pytest.raises(EngineError, match="stopped from outside"):
        evaluated(isolated(lab, 3), candidates.HOLDS, tmp_path / "a")
    thread.join()
    assert owned(api, label) == [lab.volume.name]
