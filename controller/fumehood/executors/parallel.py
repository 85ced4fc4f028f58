"""Several tasks in threads, with one end for all: every result, or one failure after which no task runs any more."""

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

_T = TypeVar("_T")


def run_all(tasks: Sequence[Callable[[], _T]], at_once: int, give_up: Callable[[], None]) -> list[_T]:
    """The tasks' results, in their order; ``at_once`` run at a time.

    The first failure of a task, or an interruption of this thread, keeps the waiting ones from starting, calls
    ``give_up``, which is to make the running ones end, waits for them, and is raised.
    """
    with ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="rooms") as pool:
        futures: list[Future[_T]] = []
        try:
            with _uninterrupted():
                futures += [pool.submit(task) for task in tasks]
            for future in as_completed(futures):
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            give_up()
            raise
    return [future.result() for future in futures]


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits until the end: in the middle of starting a thread it would leave one that nobody knows of."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
