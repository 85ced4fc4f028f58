"""Deeds in a train room: started, watched, ended, and looked for when they are over.

Deeds of one ``company`` share a room, each as a seed of its own; the others have one to themselves. A deed is judged by
what host, engine and controller saw. What it printed shows only that it took place.
"""

import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import groupby
from threading import Timer
from typing import Any, Final

from fumehood import rooms
from fumehood.attacks import candidates
from fumehood.attacks.attack import Deed, Finding
from fumehood.attacks.stage import Stage, tightened
from fumehood.attacks.traces import Stopwatch, Traces, Watch
from fumehood.executors.local import job_fields
from fumehood.records import RoomFacts
from fumehood.sandbox.room import Room
from fumehood_shared.messages import Failure, SeedSpec, TrainRequest

_AT_ONCE: Final = 2
_FLAT_BYTES: Final = 64 * 1024 * 1024
"""What the controller may grow by, whatever rooms do."""
_REMOVAL_S: Final = 20.0
_UNREAD_S: Final = 50.0
_READY_S: Final = 2.0
"""A room that took longer than this to get ready is on a busy machine or under gVisor, and gets as much more time."""
_PATIENCE: Final = 4.0
"""At most so many times as much."""


@dataclass(frozen=True)
class Aftermath:
    """One deed when its room is gone."""

    failure: Failure | None
    """What the controller made of it; None where it was accepted."""
    others: tuple[Failure | None, ...]
    """The same of the seeds after it in its room."""
    facts: RoomFacts
    deadline_s: float
    said: str
    """What its worker printed: a claim."""
    tasks: int
    """Most processes and threads that the room's cgroup held; 0 where it cannot be read."""
    is_gvisor: bool
    grown_bytes: int
    """Most memory of the controller's own meanwhile, above what it had before."""
    removal_s: float
    left: tuple[str, ...]
    """What the engine and the kernel still knew of the room when it was gone."""

    @property
    def told(self) -> str:
        return f"{self.failure.kind.value}: {self.failure.message}" if self.failure else "accepted"


def findings(stage: Stage, deeds: Sequence[Deed]) -> Iterator[Finding]:
    """Each deed tried and judged, in the order of ``deeds``."""
    parties = [list(party) for _, party in groupby(deeds, key=lambda deed: deed.company or deed.name)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for party, found in zip(parties, pool.map(lambda party: aftermaths(stage, party), parties), strict=True):
            yield from (judged(deed, one) for deed, one in zip(party, found, strict=True))


def judged(deed: Deed, aftermath: Aftermath) -> Finding:
    """Beside what the deed itself is judged by, nothing of any may be left, and the controller stays small."""
    seen, passed = deed.judge(aftermath)
    if aftermath.left:
        seen, passed = f"{seen}; left behind: {', '.join(aftermath.left)}", False
    if aftermath.grown_bytes > _FLAT_BYTES:
        seen, passed = f"{seen}; the controller grew by {aftermath.grown_bytes >> 20} MiB", False
    if aftermath.removal_s > _REMOVAL_S:
        seen, passed = f"{seen}; ending the room took {aftermath.removal_s:.0f} s", False
    return Finding(name=deed.name, group=deed.group, expected=deed.expected, seen=seen, passed=passed)


def aftermaths(stage: Stage, party: Sequence[Deed], **relaxed: Any) -> list[Aftermath]:
    """What became of deeds that share a room; ``relaxed`` are limits of it to set otherwise, for a control."""
    first = party[0]
    policy = tightened(stage.policy, **first.limits)
    policy = policy.model_copy(update={"train": policy.train.model_copy(update=relaxed)})
    room = replace(stage.host, policy=policy).room("train", stage.executor.pool.data)
    seeds = len(party) * first.seeds
    programs = {k: party[k // first.seeds].source for k in range(seeds)}
    removal = Stopwatch()
    with room, _unread(stage, room) if first.unread else nullcontext():
        traces = Traces.of(stage.host.api, room)
        room.ready()
        deadline_s = first.deadline_s * min(_PATIENCE, max(1.0, room.facts.ready_s / _READY_S))
        request = train_request(stage, room, seeds, deadline_s)
        with Watch(traces) as watch:
            outcome = rooms.train(room, request, candidates.together(programs))
            failures = _failures(room, outcome)
            with removal.running():
                room.close()
    left = tuple(traces.left(stage.host.api))
    return [
        Aftermath(
            failure=failures[k],
            others=tuple(failures[k + 1 : k + first.seeds]),
            facts=outcome.facts,
            deadline_s=deadline_s,
            said=candidates.said(outcome.log, k),
            tasks=watch.tasks,
            is_gvisor=policy.runtime == "runsc",
            grown_bytes=watch.memory_bytes,
            removal_s=removal.seconds,
            left=left,
        )
        for k in range(0, seeds, first.seeds)
    ]


def _failures(room: Room, outcome: rooms.Outcome) -> list[Failure | None]:
    """Of every seed: that of its training, or what is wrong with the weights it left."""
    told = [report.failure for report in outcome.reports]
    if all(told):
        return told
    handed = rooms.handed_over(room, len(told))
    return [
        failure or (found if isinstance(found, Failure) else None) for failure, found in zip(told, handed, strict=True)
    ]


@contextmanager
def _unread(stage: Stage, room: Room) -> Iterator[None]:
    """One more connection to the room's streams that nobody reads: an engine that waits for it cannot end the room.

    It is cut in the end, so that the row fails and not the whole suite.
    """
    connection = stage.host.api.attach_socket(room.cage.name, params={"stdout": 1, "stderr": 1, "stream": 1})
    cut = Timer(_UNREAD_S, getattr(connection, "_sock", connection).shutdown, [socket.SHUT_RDWR])
    cut.start()
    try:
        yield
    finally:
        cut.cancel()
        connection.close()


def train_request(stage: Stage, room: Room, seeds: int, deadline_s: float) -> TrainRequest:
    """To train ``seeds`` seeds, which the seeds 0, 1 ... are."""
    dataset = stage.laboratory.dataset
    specs = tuple(SeedSpec(seed=k, order=k) for k in range(seeds))
    return TrainRequest(
        **job_fields(dataset, specs, "cpu", room.cage.threads),
        inputs=dataset.arrays["train_inputs"],
        targets=dataset.arrays["train_targets"],
        deadline_s=deadline_s,
    )


def controls(stage: Stage, deeds: Sequence[Deed]) -> dict[str, bool]:
    """Name of a deed -> whether it gets what it is after where its wall is taken away."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda deed: aftermaths(stage, [deed], **deed.relaxed)[0], deeds)
        return {deed.name: not deed.judge(one)[1] for deed, one in zip(deeds, found, strict=True)}
