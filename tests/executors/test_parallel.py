"""Tasks in threads that end together, however one of them ends."""

import signal
import threading
import time

import pytest

from fumehood.executors.parallel import run_all

pytestmark = pytest.mark.unit


class Tasks:
    """Tasks that wait until they are told to go on or to give up."""

    def __init__(self) -> None:
        self.given_up = threading.Event()
        self.begun: list[int] = []
        self.ended: list[int] = []

    def waiting(self, number: int) -> int:
        self.begun.append(number)
        self.given_up.wait(20)
        self.ended.append(number)
        return number


def test_results_come_in_the_order_of_the_tasks() -> None:
    delays = (0.05, 0.0, 0.02)
    found = run_all([lambda s=s: (time.sleep(s), s)[1] for s in delays], 3, lambda: None)
    assert found == list(delays)


def test_no_more_run_at_a_time_than_asked_for() -> None:
    running, most, lock = [0], [0], threading.Lock()

    def task() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1

    run_all([task] * 6, 2, lambda: None)
    assert most == [2]


def test_the_first_failure_gives_up_the_others_and_starts_no_more() -> None:
    tasks = Tasks()

    def fails() -> int:
        while not tasks.begun:
            time.sleep(0.001)
        raise ValueError("the first")

    with pytest.raises(ValueError, match="the first"):
        run_all([lambda: tasks.waiting(0), fails, lambda: tasks.waiting(1)], 2, tasks.given_up.set)
    assert tasks.ended == tasks.begun
    assert 0 in tasks.ended


def test_an_interruption_gives_up_the_tasks_and_waits_for_them() -> None:
    tasks = Tasks()

    def interrupts() -> None:
        while len(tasks.begun) < 2:
            time.sleep(0.001)
        signal.pthread_kill(main, signal.SIGINT)

    main = threading.main_thread().ident
    assert main is not None
    threading.Thread(target=interrupts).start()
    with pytest.raises(KeyboardInterrupt):
        run_all([lambda: tasks.waiting(0), lambda: tasks.waiting(1)], 2, tasks.given_up.set)
    assert sorted(tasks.ended) == [0, 1]
