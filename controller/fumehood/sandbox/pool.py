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
from collections import deque
from collections.abc import Iterator
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
        """Make both, start both, and hear both attest. Whatever happens, ``close`` is to be called."""
        self.predict.__enter__()
        self.train.__enter__()
        self.predict.ready()
        self.train.ready()

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


@dataclass
class Demand:
    """How many pairs will be wanted, as far as it is known, and how fast they are taken and made."""

    expected: int = 1
    """Pairs that jobs under way have not taken yet, or that of the first job."""
    more: bool = True
    """Whether other jobs are likely to follow."""
    warming_s: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    taken_at: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED + 1))

    def wanted(self, most: int) -> int:
        """Pairs to have warm, at most ``most``; never fewer than are expected."""
        return max(self.expected, min(most, self._ahead() if self.more else 0))

    def _ahead(self) -> int:
        """As many as are taken while one is made; one as long as nothing was measured."""
        times = list(self.taken_at)
        between = [after - before for before, after in pairwise(times)]
        if not between or not self.warming_s:
            return 1
        return max(1, math.ceil(median(self.warming_s) / max(median(between), 1e-3)))


class Pool:
    """A context manager; safe to use from any thread inside."""

    def __init__(self, host: Host, data: DataVolume, places: int) -> None:
        """``places``: pairs that may work at the same time."""
        self.places = places
        self.data = data
        self._warming = RoomGroup()
        self._host = replace(host, group=self._warming)
        self._free = threading.Semaphore(places)
        self._lock = threading.Lock()
        self._demand = Demand()
        self._ahead: deque[Future[Pair]] = deque()
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

    def expect(self, pairs: int, *, more: bool) -> None:
        """A job is about to take ``pairs``; ``more`` says whether others are likely to follow it."""
        with self._lock:
            self._demand.expected = pairs if self._demand.taken_at == deque() else self._demand.expected + pairs
            self._demand.more = more
        self._fill()

    @contextlib.contextmanager
    def pair(self, group: RoomGroup) -> Iterator[Pair]:
        """A warm pair that is given up with ``group``, for one job. Its train room may be ended before.

        Raises EngineError where rooms cannot be made, or one that served before could not be destroyed.
        """
        self._free.acquire()
        pair = None
        try:
            group.check()
            pair = self._take()
            pair.join(group)
            yield pair
        finally:
            self._later(pair)

    def settle(self) -> None:
        """Wait until what is being warmed is warm, and what has served is gone."""
        for warming in list(self._ahead):
            warming.result()
        for ending in list(self._endings):
            ending.result()

    # -- warming --

    def _take(self) -> Pair:
        self._expect_ended()
        with self._lock:
            self._demand.taken_at.append(time.monotonic())
            self._demand.expected = max(0, self._demand.expected - 1)
            future = self._ahead.popleft() if self._ahead else self._start()
        self._fill()
        pair = future.result()
        if pair.is_alive:
            return pair
        self._later_closed(pair)  # the engine lost it while nobody looked
        with self._lock:
            future = self._start()
        return future.result()

    def _fill(self) -> None:
        with self._lock:
            most = min(_MOST_AHEAD, budget.warm_pairs(self._host.memory_bytes))
            while len(self._ahead) < self._demand.wanted(most):
                self._ahead.append(self._start())

    def _start(self) -> "Future[Pair]":
        return self._threads.submit(self._make)

    def _make(self) -> Pair:
        began = time.monotonic()
        pair = Pair(*self._host.pair(self.data))
        self._made.add(pair)
        pair.warm()
        self._demand.warming_s.append(time.monotonic() - began)
        return pair

    # -- ending --

    def _later(self, pair: Pair | None) -> None:
        """Destroy a pair that has served, and let the next one work once no process of it is alive."""
        if pair is None:
            self._free.release()
            return
        self._endings.add(self._threads.submit(self._end, pair))

    def _end(self, pair: Pair) -> None:
        try:
            pair.end()
        finally:
            self._free.release()
            self._close(pair)

    def _later_closed(self, pair: Pair) -> None:
        self._endings.add(self._threads.submit(self._close, pair))

    def _close(self, pair: Pair) -> None:
        pair.close()
        self._made.discard(pair)

    def _expect_ended(self) -> None:
        """Raises what the destruction of an earlier pair raised."""
        for ending in [e for e in self._endings if e.done()]:
            self._endings.discard(ending)
            with contextlib.suppress(Abandoned):
                ending.result()
