"""A database that is locked, read-only, full, damaged or out of reach is one kind of error, and tells no password."""

import resource
import sqlite3
import sys
from pathlib import Path

import pytest

from fakes.insights import insight
from fumehood.errors import MemoryTroubleError, UsageError
from fumehood.memory.address import parse, resolve
from fumehood.memory.store import MemoryStore, Query
from fumehood.records import Phase
from nobody import as_nobody

pytestmark = pytest.mark.memory


def every_way_to_use(store):
    return {
        "add": lambda: store.add([insight()]),
        "recall": lambda: store.recall(Query(None, Phase.PLANNING, "x"), 3),
        "search": lambda: store.search("x"),
        "get": lambda: store.get("0" * 32),
        "all": store.all,
        "forget": lambda: store.forget(everything=True),
        "stats": store.stats,
    }


def test_a_locked_database_is_waited_for_and_then_said_to_be_locked(store, file):
    store.add([insight()])
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(MemoryTroubleError, match="locked by another process") as caught:
            store.add([insight()])
        assert "wait" in caught.value.hint
        other.execute("ROLLBACK")
    assert store.add([insight()]) == 1


def test_a_database_that_is_locked_while_it_is_new_cannot_be_opened(file):
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("CREATE TABLE x (y)")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(MemoryTroubleError, match="locked by another process"):
            MemoryStore.open(str(file))


def test_a_read_only_database_can_be_read_and_not_written(store, file):
    store.add([insight("readable words")])
    with MemoryStore.open(f"sqlite:///file:{file}?mode=ro&uri=true") as reader:
        assert [one.insight.text for one in reader.search("readable")] == ["readable words"]
        for work in (lambda: reader.add([insight()]), lambda: reader.forget(everything=True)):
            with pytest.raises(MemoryTroubleError, match="it cannot be written"):
                work()
    assert len(store.all()) == 1


def test_a_folder_without_permission_is_trouble():
    place = "/nowhere-at-all"

    def work():
        for where in (f"{place}/x.db", "/root/x.db", "/proc/x.db"):
            try:
                MemoryStore.open(where).close()
            except MemoryTroubleError as trouble:
                if not trouble.hint:
                    return 2
            else:
                return 1
        return 0

    done = as_nobody(work)
    assert done.code == 0, done


def test_a_default_folder_that_cannot_be_made_is_trouble(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    with pytest.raises(MemoryTroubleError, match="cannot be made"):
        MemoryStore.open(None)


def test_a_full_disk_is_trouble_and_damages_nothing(store, file):
    store.add([insight("before")])
    store.search("before")
    largest = file.stat().st_size + 100_000

    def fill():
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
        with MemoryStore.open(str(file)) as full:
            try:
                for _ in range(100):
                    full.add([insight("x " * 1900) for _ in range(10)])
            except MemoryTroubleError as trouble:
                print(trouble.what)
                return 0
        return 1

    done = forked(fill)
    assert done.code == 0, done
    assert "no room for it" in done.out
    assert "before" in {one.text for one in store.all()}
    assert store.add([insight("after")]) == 1


def forked(work):
    """In a process of its own, because a limit is for good."""
    import os
    import tempfile

    from nobody import Done

    with tempfile.TemporaryFile() as out:
        child = os.fork()
        if child == 0:
            code = 99
            try:
                os.dup2(out.fileno(), 1)
                sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
                code = work()
            finally:
                sys.stdout.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        return Done(os.waitstatus_to_exitcode(status), out.read().decode(), "")


@pytest.mark.parametrize("content", [b"this is no database " * 500, b"SQLite format 3\x00" + bytes(range(256)) * 40])
def test_a_file_that_is_no_database_is_damaged(file, content):
    file.write_bytes(content)
    with pytest.raises(MemoryTroubleError, match="it is damaged") as caught:
        MemoryStore.open(str(file))
    assert "fumehood memory import" in caught.value.hint
    assert file.read_bytes() == content


def test_damaged_pages_are_trouble_whatever_is_asked(file):
    with MemoryStore.open(str(file)) as store:
        store.add([insight("words " * 100) for _ in range(200)])
    whole = file.read_bytes()
    file.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    try:
        store = MemoryStore.open(str(file))
    except MemoryTroubleError:
        return
    seen = set()
    for work in every_way_to_use(store).values():
        try:
            work()
        except (MemoryTroubleError, UsageError) as error:
            seen.add(type(error))
    assert MemoryTroubleError in seen


def test_a_damaged_row_is_trouble(store, file):
    store.add([insight("damaged words")])
    store.search("words")
    for column, value in (("details", "{"), ("kind", "rumour"), ("evidence", "3")):
        with sqlite3.connect(file) as connection:
            (before,) = connection.execute(f"SELECT {column} FROM fumehood_insight").fetchone()
            connection.execute(f"UPDATE fumehood_insight SET {column} = ?", (value,))
        with pytest.raises(MemoryTroubleError, match="it is damaged"):
            store.all()
        with MemoryStore.open(str(file)) as again, pytest.raises(MemoryTroubleError):
            again.search("words")
        with sqlite3.connect(file) as connection:
            connection.execute(f"UPDATE fumehood_insight SET {column} = ?", (before,))
    assert len(store.all()) == 1


def test_a_table_that_vanished_is_trouble_whatever_is_asked(store, file):
    store.add([insight()])
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE fumehood_insight")
    for work in every_way_to_use(store).values():
        with pytest.raises(MemoryTroubleError):
            work()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:s3cr3t-word@127.0.0.1:1/name",
        "postgres://user:s3cr3t-word@127.0.0.1:1/name?sslmode=require&channel_binding=require&pgbouncer=true",
        "postgresql://127.0.0.1:1/name?password=s3cr3t-word&user=u",
        "mysql://user:s3cr3t-word@127.0.0.1:1/name",
        "mariadb://user:s3cr3t%2Dword@127.0.0.1:1/name",
    ],
)
def test_a_server_that_is_not_there_is_trouble_and_no_message_tells_the_password(url):
    with pytest.raises(MemoryTroubleError, match="it cannot be reached") as caught:
        MemoryStore.open(url)
    assert "s3cr3t" not in caught.value.what + caught.value.hint
    assert "127.0.0.1:1/name" in caught.value.what


@pytest.mark.parametrize(
    "url",
    [
        "oracle://u:s3cr3t-word@h/x",
        "postgresql+asyncpg://u:s3cr3t-word@h/x",
        "postgresql://u:s3cr3t-word@h:port/x",
        "postgresql://u:some@s3cr3t-word@h/x",
        "mysql://u:some:@s3cr3t-word@h:3306/x",
        "mongodb://u:s3cr3t-word@h",
        "://s3cr3t-word",
    ],
)
def test_what_is_no_address_is_the_users_mistake_and_repeats_no_password(url):
    with pytest.raises(UsageError) as caught:
        MemoryStore.open(url)
    assert "s3cr3t" not in caught.value.what + caught.value.hint
    assert "s3cr3t" not in str(caught.value)


def test_addresses_become_those_of_drivers_that_are_there():
    neon = parse("postgres://u:p@ep-x-pooler.example/db?sslmode=require&channel_binding=require")
    assert neon.url.drivername == "postgresql+psycopg"
    assert dict(neon.url.query) == {"sslmode": "require", "channel_binding": "require"}
    assert neon.arguments["prepare_threshold"] is None
    supabase = parse("postgresql://u:p@h:6543/postgres?pgbouncer=true&connection_limit=1")
    assert dict(supabase.url.query) == {}
    for scheme in ("mysql", "mariadb", "mysql+pymysql"):
        found = parse(f"{scheme}://u:p@h/db")
        assert found.url.drivername == "mysql+pymysql"
        assert found.arguments["charset"] == "utf8mb4"
    assert resolve("~/x.db").file == Path("~/x.db").expanduser()
