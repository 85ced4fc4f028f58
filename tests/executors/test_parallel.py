"""Tasks in threads that end together, however one of them ends."""

import signal
import threading
import time

import pytest

from fumehood.executors.parallel import Tasks, run_all

pytestmark = pytest.mark.unit


class Patience:
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
    tasks = Patience()

    def fails() -> int:
        while not tasks.begun:
            time.sleep(0.001)
        raise ValueError("the first")

    with pytest.raises(ValueError, match="the first"):
        run_all([lambda: tasks.waiting(0), fails, lambda: tasks.waiting(1)], 2, tasks.given_up.set)
    assert tasks.ended == tasks.begun
    assert 0 in tasks.ended


def test_an_interruption_gives_up_the_tasks_and_waits_for_them() -> None:
    tasks = Patience()

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


# ---- one by one --------------------------------------------------------------------------------------------------


def test_results_are_fetched_as_they_come() -> None:
    gate = threading.Event()
    with Tasks[str, int](2, gate.set) as tasks:
        tasks.start("slow", lambda: 1 if gate.wait(20) else 0)
        tasks.start("quick", lambda: 2)
        assert tasks.ended() == ("quick", 2)
        assert ("slow" in tasks, "quick" in tasks) == (True, False)
        gate.set()
        assert tasks.ended() == ("slow", 1)


def test_leaving_the_block_gives_up_what_is_under_way_and_waits_for_it() -> None:
    patience = Patience()
    with Tasks[int, int](2, patience.given_up.set) as tasks:
        for number in range(3):
            tasks.start(number, lambda number=number: patience.waiting(number))
        while len(patience.begun) < 2:
            time.sleep(0.001)
    assert sorted(patience.ended) == sorted(patience.begun) == [0, 1]


def test_nothing_is_given_up_where_nothing_is_under_way() -> None:
    given_up: list[bool] = []
    with Tasks[int, int](2, lambda: given_up.append(True)) as tasks:
        tasks.start(1, lambda: 1)
        tasks.ended()
    assert given_up == []


def test_what_a_task_raised_is_raised_where_it_is_fetched_and_ends_the_others() -> None:
    patience = Patience()

    def fails() -> int:
        raise ValueError("the second")

    def work() -> None:
        with Tasks[int, int](2, patience.given_up.set) as tasks:
            tasks.start(1, lambda: patience.waiting(1))
            tasks.start(2, fails)
            tasks.ended()

    with pytest.raises(ValueError, match="the second"):
        work()
    assert patience.ended == patience.begun
