"""Tasks in threads, with one end for all: however the block that holds them is left, none of them runs any more."""

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Generic, Self, TypeVar

_K = TypeVar("_K")
_T = TypeVar("_T")
_LISTEN_S = 0.5


@dataclass(frozen=True)
class _Ended(Generic[_K, _T]):
    key: _K
    result: Callable[[], _T]
    """Returns what the task returned, or raises what it raised."""


class Tasks(Generic[_K, _T]):
    """Tasks under way, each known by its key; ``at_once`` run at a time, the others wait. For one thread to use.

    Leaving the block keeps those that wait from starting, calls ``give_up``, which is to make the running ones end, and
    waits for them. What they bring then is lost.
    """

    def __init__(self, at_once: int, give_up: Callable[[], None]) -> None:
        self._pool = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="rooms")
        self._give_up = give_up
        self._under_way: set[_K] = set()
        # Not the futures' own locks: Ctrl-C in the middle of waiting for several futures leaves them locked for ever.
        self._ended: SimpleQueue[_Ended[_K, _T]] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._under_way or kind is not None:
            self._give_up()
        self._pool.shutdown()

    def __contains__(self, key: _K) -> bool:
        """Whether a task was started and not fetched by ``ended``."""
        return key in self._under_way

    def start(self, key: _K, task: Callable[[], _T]) -> None:
        self._under_way.add(key)
        with _uninterrupted():
            future = self._pool.submit(task)
            future.add_done_callback(lambda done: self._ended.put(_Ended(key, done.result)))

    def ended(self) -> tuple[_K, _T]:
        """Wait until one of the tasks has ended: its key and its result, or what it raised is raised here."""
        ended = self._fetched()
        self._under_way.discard(ended.key)
        return ended.key, ended.result()

    def _fetched(self) -> _Ended[_K, _T]:
        while True:
            # A signal that comes just before a wait begins does not interrupt it: it is heard when the wait is over.
            with suppress(Empty):
                return self._ended.get(timeout=_LISTEN_S)


def run_all(tasks: Sequence[Callable[[], _T]], at_once: int, give_up: Callable[[], None]) -> list[_T]:
    """The tasks' results, in their order.

    The first failure of a task, or an interruption of this thread, ends all of them (see ``Tasks``) and is raised.
    """
    with Tasks[int, _T](at_once, give_up) as under_way:
        for place, task in enumerate(tasks):
            under_way.start(place, task)
        results = dict(under_way.ended() for _ in tasks)
    return [results[place] for place in range(len(tasks))]


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits until the end: in the middle of starting a thread it would leave one that nobody knows of."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
