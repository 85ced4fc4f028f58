"""One candidate in the rooms of its pairs, one after the other: a predict room hears nothing of a train room's time.

What is asked is the engine, of the train room, at the moment at which the first byte of the candidate is about to enter
the predict room of its pair. The bytes wait for the answer, so a room that nobody ended is seen at work.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final, cast

import numpy as np

from fumehood.attacks import candidates
from fumehood.attacks.attack import Attack, Finding
from fumehood.attacks.stage import Stage
from fumehood.attacks.traces import Traces
from fumehood.executors import Job
from fumehood.executors.local import predictions_file
from fumehood.sandbox import usage
from fumehood.sandbox.exchange import Outgoing
from fumehood.sandbox.group import RoomGroup
from fumehood.sandbox.pool import Pair, Pool
from fumehood.sandbox.room import Room, engine_errors
from fumehood_shared.messages import SeedSpec

_NOTICED_S: Final = 5.0
"""An engine may be late to notice that a room is over; when that was, it knows."""
_GLANCE_S: Final = 0.05
_SEEDS: Final = tuple(SeedSpec(seed=k, order=k) for k in range(2))
_SAYS: Final = "signals with strength"


@dataclass(frozen=True)
class Succession(Attack):
    """The program prints ``signals with strength`` while it trains."""


@dataclass(frozen=True)
class Moment:
    """When a candidate was about to enter a predict room."""

    at: float
    """Seconds since 1970."""
    train_ended: float | None
    """When the train room's first process ended, by the engine; None for one that still ran."""
    kernel_said_so: bool
    """Whether this machine's kernel had ended it by then, which an engine stamps a little later."""

    @property
    def is_alone(self) -> bool:
        return self.train_ended is not None and (self.kernel_said_so or self.train_ended <= self.at)


@dataclass(frozen=True)
class Told:
    """What came of one candidate."""

    moments: list[Moment]
    """Of every pair."""
    said: str
    """What it printed in its train rooms: a claim."""
    heard: float
    """What it tells from its predict rooms, the largest; 0 where there is nothing to be read."""


def finding(stage: Stage, attack: Succession) -> Finding:
    """Passed if no train room worked any more, where seeds share a pair of rooms and where each has one of its own."""
    shared, isolated = (tried(stage, attack, isolated=each) for each in (False, True))
    over = [moment.is_alone for told in (shared, isolated) for moment in told.moments]
    signalled = all(_SAYS in told.said for told in (shared, isolated))
    strength = max(shared.heard, isolated.heard)
    seen = f"{sum(over)} of {len(over)} train rooms were over{'' if signalled else '; nobody signalled'}"
    return Finding(
        name=attack.name,
        group=attack.group,
        expected=attack.expected,
        seen=f"{seen}; heard strength {strength:.1f}",
        passed=signalled and len(over) == 1 + len(_SEEDS) and all(over),
    )


def tried(stage: Stage, attack: Succession, *, isolated: bool, left_alive: bool = False) -> Told:
    """Two seeds in one pair of rooms, or each in its own; ``left_alive`` is the control: no train room is ended."""
    moments: list[Moment] = []
    pool = cast(Pool, _WatchedPool(stage.executor.pool, stage, moments, left_alive=left_alive))
    policy = stage.policy.model_copy(update={"isolate_seeds": False})
    executor = replace(stage.executor, pool=pool, host=replace(stage.host, policy=policy))
    source = candidates.together({seed.seed: attack.source for seed in _SEEDS})
    into = Path(mkdtemp(dir=stage.folder))
    envelope = executor.evaluate(Job(number=1, source=source, seeds=_SEEDS, isolated=isolated), into)
    answered = [seed.seed for seed in envelope.seeds if seed.failure is None]
    heard = [np.fromfile(predictions_file(into / "predictions", seed), dtype="<f4").max() for seed in answered]
    return Told(moments, envelope.log_tail, float(max(heard, default=0.0)))


class _Standing:
    """Does what another does, but for what a subclass does otherwise."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class _WatchedPool(_Standing):
    def __init__(self, real: Pool, stage: Stage, moments: list[Moment], *, left_alive: bool) -> None:
        super().__init__(real)
        self._stage, self._moments, self._left_alive = stage, moments, left_alive

    @contextmanager
    def pair(self, group: RoomGroup) -> Iterator[Pair]:
        with self._real.pair(group) as pair:
            train = cast(Room, _LeftAlive(pair.train)) if self._left_alive else pair.train
            first = Traces.of(self._stage.host.api, pair.train)
            seen = usage.is_here(first.container, first.pid)

            def look() -> None:
                self._moments.append(_moment(self._stage, first, is_here=seen))

            yield Pair(train, cast(Room, _Watched(pair.predict, look)))


class _Watched(_Standing):
    """A predict room that looks around before it takes anything in."""

    def __init__(self, real: Room, look: Callable[[], None]) -> None:
        super().__init__(real)
        self._look = look

    def send(self, files: Iterable[Outgoing]) -> dict[str, str]:
        self._look()
        sent: dict[str, str] = self._real.send(files)
        return sent


class _LeftAlive(_Standing):
    def end(self) -> None:
        """Nothing: its pair ends it."""


def _moment(stage: Stage, train: Traces, *, is_here: bool) -> Moment:
    at, said_so = time.time(), is_here and usage.is_over(train.pid)
    deadline = time.monotonic() + _NOTICED_S
    while True:
        with engine_errors("inspecting a train room"):
            state = stage.host.api.inspect_container(train.container)["State"]
        if not state["Running"]:
            return Moment(at, _seconds(state["FinishedAt"]), said_so)
        if time.monotonic() > deadline:
            return Moment(at, None, said_so)
        time.sleep(_GLANCE_S)


def _seconds(stamp: str) -> float:
    """The engine has nanoseconds, Python's dates have microseconds."""
    whole, _, rest = stamp.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{rest:0<6.6}+00:00").timestamp()
