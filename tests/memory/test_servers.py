"""The memory on real PostgreSQL and MariaDB servers: the same as on SQLite, from first tables to eight writers."""

import pytest
from databases import PASSWORD, QUOTED, mariadb, postgres
from sqlalchemy import create_engine, text
from test_processes import eight_write, everything_is_there_once

from fakes.insights import TABLE, data, failure, insight, pattern, result
from fumehood.errors import MemoryTroubleError
from fumehood.memory.address import parse
from fumehood.memory.schema import HEAD, METADATA, VERSION_TABLE, version
from fumehood.memory.store import MemoryStore, Query
from fumehood.records import Phase
from fumehood.records.insight import Kind

pytestmark = [pytest.mark.memory, pytest.mark.slow, pytest.mark.integration]


@pytest.fixture(scope="module", params=[postgres, mariadb], ids=["postgresql", "mariadb"])
def server(request):
    with request.param() as url:
        yield url


@pytest.fixture
def url(server):
    """The server with nothing of ours in it."""
    address = parse(server)
    engine = create_engine(address.url, connect_args=dict(address.arguments))
    with engine.begin() as connection:
        is_postgres = engine.dialect.name == "postgresql"
        if is_postgres:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        else:
            connection.execute(text("DROP DATABASE memory"))
            connection.execute(text("CREATE DATABASE memory"))
    engine.dispose()
    return server


def test_what_is_stored_is_found_and_what_is_forgotten_is_gone(url, tmp_path):
    given = [result(), failure(), pattern(), insight("lr=1e-3"), insight("lr=1e3"), insight("grüße 😀 \x00 %s")]
    with MemoryStore.open(url) as store:
        assert store.add(given) == 6
        assert store.add(given) == 0
        kept = store.all()
        assert list(kept[:5]) == given[:5]
        assert kept[5].text.startswith("grüße 😀")
        found = store.recall(Query(data(), Phase.PLANNING, "digits"), 2)
        assert found[0].insight.kind is not Kind.NOTE
        assert store.search("lr 1e3")[0].insight.text == "lr=1e3"
        assert store.get(given[0].id[:31] + given[0].id[31]) == given[0]
        assert store.stats().total == 6
        store.export(tmp_path / "out.jsonl")
        with MemoryStore.open(url, "other") as other:
            assert other.import_(tmp_path / "out.jsonl").new == 6
            assert other.forget(kind=Kind.NOTE) == 3
            assert len(other.all()) == 3
        assert store.all() == kept
        assert store.forget(everything=True) == 6
    address = parse(url)
    engine = create_engine(address.url, connect_args=dict(address.arguments))
    with engine.connect() as connection:
        counts = [
            connection.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar()
            for table in ("fumehood_insight", "memori_entity_fact")
        ]
    engine.dispose()
    assert counts == [3, 3]


def test_contradictions_demote_and_evidence_adds_up(url):
    with MemoryStore.open(url) as store:
        for run in ("r1", "r2"):
            store.add([pattern(run=run), result(run=run, data=TABLE, configuration=run)])
        store.add([failure(created_at="2026-11-01T00:00:00+00:00", configuration="c9")])
        store.add([result(run="r3", created_at="2026-11-02T00:00:00+00:00", configuration="c9")])
        standing = [one for one in store.all() if one.demoted_by is None]
        assert [one.runs for one in standing if one.kind is Kind.PATTERN] == [2]
        assert not [one for one in standing if one.kind is Kind.FAILURE]


def test_the_tables_are_those_of_the_program(url):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def ours(item, name, kind, reflected, compared):
        return kind != "table" or name.startswith("fumehood_insight")

    options = {"version_table": VERSION_TABLE, "include_object": ours}
    with MemoryStore.open(url) as store, store._engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), METADATA) == []
        assert version(store._engine) == HEAD


def test_eight_writers_lose_and_duplicate_nothing(url):
    eight_write(url)
    everything_is_there_once(url)


def test_a_wrong_password_is_trouble_and_is_not_told(url):
    with pytest.raises(MemoryTroubleError, match="refuses the user or the password") as caught:
        MemoryStore.open(url.replace(QUOTED, "wr0ng-word"))
    said = caught.value.what + caught.value.hint
    assert "wr0ng-word" not in said
    assert PASSWORD not in said


@pytest.mark.parametrize("server", [postgres], ids=["postgresql"], indirect=True)
def test_no_statement_stays_prepared_on_a_server(url):
    """A pooler gives the next transaction to another server process, which would not know it."""
    with MemoryStore.open(url) as store:
        for i in range(20):
            store.add([insight(f"{i}")])
            store.search("x")
        with store._engine.connect() as connection:
            assert connection.execute(text("SELECT COUNT(*) FROM pg_prepared_statements")).scalar() == 0
