"""Pairs of warm rooms: a train room and its predict room, attested, torch loaded and a first step done, without a job.

Warming takes seconds and needs nothing of a candidate's, so it happens ahead of need: while data are prepared, while
the planner thinks, while other candidates train. Each pair still serves exactly one job. How many are kept is a
question of need (``Demand``) and of memory; a warm room is our own program alone, and holds what that takes, not what
the policy would let a candidate have. Pairs in use are as many as the host's budget allows, never more.

A pair that has served is destroyed beside the next one's work. When the context ends, every room is gone.
"""

import contextlib
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median
from types import TracebackType
from typing import Self

from fumehood.errors import EngineError
from fumehood.sandbox import budget
from fumehood.sandbox.cage import DataVolume
from fumehood.sandbox.group import Abandoned, RoomGroup
from fumehood.sandbox.host import Host
from fumehood.sandbox.room import Room

_MOST_AHEAD = 4
_REMEMBERED = 5


class Pair:
    """A train room and the predict room that will read the weights it leaves."""

    def __init__(self, train: Room, predict: Room) -> None:
        self.train, self.predict = train, predict

    def warm(self) -> None:
        """Make, start, and hear attest, both at the same time. Whatever happens, ``close`` is to be called."""
        with ThreadPoolExecutor(1) as beside:
            predict = beside.submit(_warm, self.predict)
            _warm(self.train)
        predict.result()

    @property
    def is_alive(self) -> bool:
        return self.train.is_connected and self.predict.is_connected

    def join(self, group: RoomGroup) -> None:
        self.train.join(group)
        self.predict.join(group)

    def end(self) -> None:
        """Have every process of both dead."""
        self.train.end()
        self.predict.end()

    def close(self) -> None:
        """Destroy both, and the volume between them."""
        try:
            self.train.close()
        finally:
            self.predict.close()


def _warm(room: Room) -> None:
    room.__enter__()
    room.ready()


@dataclass
class Demand:
    """How many pairs will be wanted, as far as it is known, and how fast they are taken and made."""

    expected: int = 1
    """Pairs that jobs under way have not taken yet, or that of the first job."""
    more: bool = True
    """Whether other jobs are likely to follow."""
    warming_s: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    taken_at: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED + 1))

    def wanted(self, most: int, places: int) -> int:
        """Pairs to have warm: those that are expected and those ahead of need, ``most`` of each.

        Where more than that have ``places`` to work at once, as many as are expected for them.
        """
        return max(min(self.expected, max(most, places)), min(most, self._ahead() if self.more else 0))

    def _ahead(self) -> int:
        """As many as are taken while one is made; one as long as nothing was measured."""
        times = list(self.taken_at)
        between = [after - before for before, after in pairwise(times)]
        if not between or not self.warming_s:
            return 1
        return max(1, math.ceil(median(self.warming_s) / max(median(between), 1e-3)))


class Pool:
    """A context manager; safe to use from any thread inside."""

    def __init__(self, hosts: Sequence[Host], data: DataVolume, places: int, *, at_once: bool = True) -> None:
        """``places``: pairs that may work at the same time, shared out evenly among ``hosts``.

        ``at_once``: whether a pair is warmed from the beginning, or only when one is asked for.
        """
        self.places = places
        self.data = data
        self._warming = RoomGroup()
        self._hosts = [replace(host, group=self._warming) for host in hosts]
        self._most_of_one = math.ceil(places / len(hosts))
        self._working: Counter[int] = Counter()
        """Pairs that work, by the place of their host."""
        self._free = threading.Semaphore(places)
        self._lock = threading.Lock()
        self._demand = Demand() if at_once else Demand(expected=0, more=False)
        self._unclaimed = self._demand.expected
        """Pairs that are expected for the next job, as long as it has not said how many it takes."""
        self._ahead: deque[tuple[int, Future[Pair]]] = deque()
        """Pairs that wait for a job, each with the place of its host."""
        self._made: set[Pair] = set()
        self._endings: set[Future[None]] = set()
        self._threads = ThreadPoolExecutor(2 * (_MOST_AHEAD + places), thread_name_prefix="room-pool")

    def __enter__(self) -> Self:
        self._fill()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Destroy every room there is. Raises EngineError where that failed, unless something else did before."""
        self._warming.abandon()
        with self._lock:
            self._demand.expected, self._demand.more = 0, False
        self._threads.shutdown(wait=True)
        failures = [e for ending in self._endings if (e := ending.exception()) is not None]
        for pair in list(self._made):
            try:
                pair.close()
            except EngineError as trouble:
                failures.append(trouble)
        if failures and kind is None:
            raise failures[0]

    def foresee(self, pairs: int = 1) -> None:
        """A job will be here soon: so many of the pairs that it is going to take are warmed."""
        with self._lock:
            self._demand.expected += pairs - self._unclaimed
            self._unclaimed = pairs
        self._fill()

    def expect(self, pairs: int, *, more: bool) -> None:
        """A job is about to take ``pairs``; ``more`` says whether others are likely to follow it."""
        with self._lock:
            self._demand.expected += pairs - self._unclaimed
            self._unclaimed = 0
            self._demand.more = more
        self._fill()

    @property
    def cpus(self) -> int:
        """That the rooms of one candidate share."""
        return self._hosts[0].cpus

    @contextlib.contextmanager
    def pair(self, group: RoomGroup) -> Iterator[Pair]:
        """A warm pair that is given up with ``group``, for one job. Its train room may be ended before.

        Raises EngineError where rooms cannot be made, or one that served before could not be destroyed.
        """
        self._free.acquire()
        place, pair = None, None
        try:
            group.check()
            place, pair = self._take()
            pair.join(group)
            yield pair
        finally:
            self._later(place, pair)

    def settle(self) -> None:
        """Wait until what is being warmed is warm, and what has served is gone."""
        for _, warming in list(self._ahead):
            warming.result()
        for ending in list(self._endings):
            ending.result()

    # -- warming --

    def _take(self) -> tuple[int, Pair]:
        """A pair of a host that has a place free, and the place of that host."""
        self._expect_ended()
        with self._lock:
            self._demand.taken_at.append(time.monotonic())
            self._demand.expected = max(0, self._demand.expected - 1)
            place, future = self._next()
            self._working[place] += 1
        self._fill()
        try:
            pair = future.result()
            if not pair.is_alive:  # the engine lost it while nobody looked
                self._endings.add(self._threads.submit(self._close, pair))
                pair = self._start(place).result()
        except BaseException:
            self._working[place] -= 1
            raise
        return place, pair

    def _next(self) -> "tuple[int, Future[Pair]]":
        free = [place for place in range(len(self._hosts)) if self._working[place] < self._most_of_one]
        for waiting in self._ahead:
            if waiting[0] in free:
                self._ahead.remove(waiting)
                return waiting
        return free[0], self._start(free[0])

    def _fill(self) -> None:
        """Warm as many as are wanted, for the host that has the fewest."""
        with self._lock:
            most = min(_MOST_AHEAD, budget.warm_pairs(self._hosts[0].memory_bytes))
            while len(self._ahead) < self._demand.wanted(most, self.places):
                taken = self._working + Counter(place for place, _ in self._ahead)
                place = min(range(len(self._hosts)), key=lambda k: taken[k])
                self._ahead.append((place, self._start(place)))

    def _start(self, place: int) -> "Future[Pair]":
        return self._threads.submit(self._make, self._hosts[place])

    def _make(self, host: Host) -> Pair:
        began = time.monotonic()
        pair = Pair(*host.pair(self.data))
        self._made.add(pair)
        pair.warm()
        self._demand.warming_s.append(time.monotonic() - began)
        return pair

    # -- ending --

    def _later(self, place: int | None, pair: Pair | None) -> None:
        """Destroy a pair that has served, and let the next one work once no process of it is alive."""
        if place is None or pair is None:
            self._free.release()
            return
        self._endings.add(self._threads.submit(self._end, place, pair))

    def _end(self, place: int, pair: Pair) -> None:
        try:
            pair.end()
        finally:
            with self._lock:
                self._working[place] -= 1
            self._free.release()
            self._close(pair)

    def _close(self, pair: Pair) -> None:
        pair.close()
        self._made.discard(pair)

    def _expect_ended(self) -> None:
        """Raises what the destruction of an earlier pair raised."""
        for ending in [e for e in self._endings if e.done()]:
            self._endings.discard(ending)
            with contextlib.suppress(Abandoned):
                ending.result()
