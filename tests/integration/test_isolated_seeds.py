"""Seeds in rooms of their own, several at a time: the same results, and one end for all of them."""

import threading
from contextlib import closing
from dataclasses import replace
from itertools import accumulate
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
FAILS_FOR_ONE = candidates.LINEAR + "\ndef train(model, data, context):\n    assert context.seed != 1, 'not this one'\n"


def isolated(lab: Lab, cpus: int) -> Lab:
    """One seed a room, and ``cpus`` of them at once; with as many threads in a room whatever that is."""
    policy = tightened(lab.host.policy, cpus=1.0).model_copy(update={"isolate_seeds": True})
    limits = policy.predict.model_copy(update={"cpus": 1.0})
    return replace(lab, host=replace(lab.host, policy=policy.model_copy(update={"predict": limits}), cpus=cpus))


def evaluated(lab: Lab, source: str, into: Path) -> Envelope:
    into.mkdir()
    return lab.executor().evaluate(Job(number=1, source=source, seeds=SEEDS), into)


def results(envelope: Envelope) -> list[tuple[Any, ...]]:
    return [(s.seed, s.weights_digest, s.parameters, s.failure and s.failure.kind) for s in envelope.seeds]


def most_at_once(ear: Ear, lab: Lab) -> int:
    """Train rooms that the engine had running at the same time."""
    mine = [h for h in ear.heard if h.owner == lab.host.owner.id and h.kind == "train"]
    steps = [{"start": 1, "die": -1}.get(h.action, 0) for h in mine]
    return max(accumulate(steps))


def test_seeds_at_the_same_time_bring_what_they_bring_one_after_another(lab: Lab, tmp_path: Path) -> None:
    with closing(Ear(lab.host.api)) as ear:
        one_by_one = evaluated(isolated(lab, 1), FAILS_FOR_ONE, tmp_path / "a")
        assert most_at_once(ear, lab) == 1
    with closing(Ear(lab.host.api)) as ear:
        together = evaluated(isolated(lab, 3), FAILS_FOR_ONE, tmp_path / "b")
        assert most_at_once(ear, lab) >= 2
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
