"""Eight processes at once: nothing is lost, nothing is there twice, and the tables are made once."""

import multiprocessing
import sqlite3

import pytest
from sqlalchemy import event

from fakes.insights import insight, pattern
from fumehood.memory.store import MemoryStore

pytestmark = pytest.mark.memory

WRITERS, OWN, SHARED = 8, 25, 10


def in_eight_processes(work, *arguments):
    """``work(*arguments, number, barrier)`` in eight processes; what went wrong in them, which is nothing.

    They are forked from a server that has loaded what they need and no thread: forked from here they could inherit a
    lock that a thread of another test holds, and wait for it for ever.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["alembic.command", "memori.search", "sklearn.feature_extraction.text"])
    barrier, failures = context.Barrier(WRITERS), context.SimpleQueue()
    tasks = [(work, arguments, number, barrier, failures) for number in range(WRITERS)]
    children = [context.Process(target=watched, args=task) for task in tasks]
    for child in children:
        child.start()
    for child in children:
        child.join(200)
    said = []
    while not failures.empty():
        said.append(failures.get())
    assert said == []
    assert [child.exitcode for child in children] == [0] * WRITERS


def watched(work, arguments, number, barrier, failures):
    try:
        work(*arguments, number, barrier)
    except BaseException as error:
        failures.put(f"{number}: {error!r}")
        raise


def write(url, number, barrier):
    barrier.wait(60)
    with MemoryStore.open(url) as store:
        for i in range(OWN):
            store.add([insight(f"own {number} {i}", id=f"{number:016x}{i:016x}")])
            if i < SHARED:
                store.add([insight(f"shared {i}", id=f"{99:016x}{i:016x}")])
            if i % 10 == number:
                store.search("own")
        store.add([pattern(run=f"run-{number}", id=f"{77:016x}{number:016x}")])


def eight_write(url):
    """All at the same moment, on a database that is new to all of them."""
    in_eight_processes(write, url)


def everything_is_there_once(url):
    expected = {f"own {number} {i}" for number in range(WRITERS) for i in range(OWN)}
    expected |= {f"shared {i}" for i in range(SHARED)}
    with MemoryStore.open(url) as store:
        found = [one.text for one in store.all() if one.kind.value == "note"]
        patterns = [one for one in store.all() if one.kind.value == "pattern"]
        assert sorted(found) == sorted(expected)
        assert len(patterns) == WRITERS
        assert len(store.search("shared", 100)) >= SHARED


def test_eight_writers_lose_and_duplicate_nothing(file):
    eight_write(str(file))
    everything_is_there_once(str(file))
    with sqlite3.connect(file) as connection:
        facts = connection.execute("SELECT COUNT(*), SUM(num_times) FROM memori_entity_fact").fetchone()
        assert facts == (WRITERS * OWN + SHARED + WRITERS,) * 2
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT COUNT(*) FROM memori_schema_version").fetchone() == (1,)


def open_all(files, number, barrier):
    for file in files:
        barrier.wait(60)
        MemoryStore.open(str(file)).close()


def test_eight_processes_that_open_a_new_database_at_once_make_its_tables_once(tmp_path):
    files = [tmp_path / f"{i}.db" for i in range(12)]
    in_eight_processes(open_all, files)
    for file in files:
        with sqlite3.connect(file) as connection:
            assert connection.execute("SELECT COUNT(*) FROM memori_schema_version").fetchone() == (1,)
            assert connection.execute("SELECT COUNT(*) FROM fumehood_memory_version").fetchone() == (1,)


def test_who_is_overtaken_with_the_same_insight_stores_it_no_second_time(store, file):
    """The other stores it after this one looked whether it is there, and before it is written."""
    ours, others = insight("ours"), []

    def overtake(connection, cursor, statement, *_):
        if statement.startswith("INSERT INTO fumehood_insight") and not others:
            with MemoryStore.open(str(file)) as other:
                others.append(other.add([ours]))

    event.listen(store._engine, "before_cursor_execute", overtake)
    assert (store.add([ours, insight("another")]), others) == (1, [1])
    assert sorted(one.text for one in store.all()) == ["another", "ours"]
