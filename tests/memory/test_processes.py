"""Eight processes at once: nothing is lost, nothing is there twice, and the tables are made once."""

import multiprocessing
import sqlite3

import pytest

from fakes.insights import insight, pattern
from fumehood.memory.store import MemoryStore

pytestmark = pytest.mark.memory

WRITERS, OWN, SHARED = 8, 25, 10


def write(url, number, start, failures):
    try:
        start.wait(60)
        with MemoryStore.open(url) as store:
            for i in range(OWN):
                store.add([insight(f"own {number} {i}", id=f"{number:016x}{i:016x}")])
                if i < SHARED:
                    store.add([insight(f"shared {i}", id=f"{99:016x}{i:016x}")])
                if i % 10 == number:
                    store.search("own")
            store.add([pattern(run=f"run-{number}", id=f"{77:016x}{number:016x}")])
    except BaseException as error:
        failures.put(f"{number}: {error!r}")
        raise


def eight_write(url):
    """All at the same moment, on a database that is new to all of them."""
    context = multiprocessing.get_context("fork")
    start, failures = context.Barrier(WRITERS), context.SimpleQueue()
    writers = [context.Process(target=write, args=(url, number, start, failures)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(200)
    said = []
    while not failures.empty():
        said.append(failures.get())
    assert said == []
    assert [writer.exitcode for writer in writers] == [0] * WRITERS


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
