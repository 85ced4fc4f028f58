"""Our table beside Memori's, and how a database gets both: built or upgraded on open, by one process at a time.

Alembic knows our table only. A database that a newer version wrote is refused, never written to.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

from filelock import FileLock
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    inspect,
    text,
)
from sqlalchemy.dialects.mysql import MEDIUMTEXT

from fumehood.errors import MemoryTroubleError
from fumehood.memory.address import PATIENCE_S, Address
from fumehood.memory.facts import Facts

HEAD: Final = "0001"
"""The newest revision in ``migrations/versions``."""
VERSION_TABLE: Final = "fumehood_memory_version"
FOLDER: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 0x66756D65
"""Names our advisory lock on a server."""

METADATA: Final = MetaData()
_NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")
_LONG: Final = Text().with_variant(MEDIUMTEXT, "mysql", "mariadb")

INSIGHTS: Final = Table(
    "fumehood_insight",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("namespace", String(100), nullable=False),
    Column("id", String(32), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("phase", String(16), nullable=False),
    Column("importance", Double, nullable=False),
    Column("created_at", String(40), nullable=False),
    Column("run_id", String(200)),
    Column("iteration", Integer),
    Column("data", _LONG),
    Column("evidence", _LONG, nullable=False),
    Column("details", _LONG, nullable=False),
    Column("subject", String(64)),
    Column("demoted_by", String(32)),
    Column("embedder", String(200), nullable=False),
    Column("width", Integer, nullable=False),
    Column("fact", String(64), nullable=False),
    UniqueConstraint("namespace", "id", name="uk_fumehood_insight_namespace_id"),
    Index("ix_fumehood_insight_subject", "namespace", "subject"),
    Index("ix_fumehood_insight_state", "namespace", "number", "demoted_by"),
    sqlite_autoincrement=True,
)
"""``fact``: what Memori calls the insight's text by (``facts.uniq``). ``data``, ``evidence``, ``details``: JSON."""


def ensure(engine: Engine, facts: Facts, address: Address) -> None:
    """Memori's tables and ours, of this version. Raises MemoryTroubleError for a database of a newer version."""
    if _is_current(engine):
        return
    with _one_at_a_time(engine, address):
        if _is_current(engine):
            return
        facts.build()
        _upgrade(engine)


def version(engine: Engine) -> str | None:
    """The database's revision; None where it has no table of ours."""
    with engine.connect() as connection:
        if not inspect(connection).has_table(VERSION_TABLE):
            return None
        found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
        return None if found is None else str(found)


def _is_current(engine: Engine) -> bool:
    found = version(engine)
    if found is not None and found > HEAD:
        raise MemoryTroubleError(
            f"the memory was written by a newer version of fumehood (revision {found}, this one knows {HEAD})",
            "use that version, or name another database with --memory-db",
        )
    return found == HEAD


def _upgrade(engine: Engine) -> None:
    import logging

    from alembic import command
    from alembic.config import Config

    logging.getLogger("alembic").addHandler(logging.NullHandler())
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def _one_at_a_time(engine: Engine, address: Address) -> Iterator[None]:
    """Hold the lock that every process of ours takes before it changes tables."""
    if address.is_sqlite:
        lock = nullcontext() if address.file is None else FileLock(f"{address.file}.lock", timeout=4 * PATIENCE_S)
        with lock:
            yield
        return
    # In a transaction, and so on one server process even behind a pooler.
    with engine.begin() as connection:
        _take(connection)
        try:
            yield
        finally:
            if engine.dialect.name != "postgresql":
                connection.execute(text("SELECT RELEASE_LOCK('fumehood-memory')"))


def _take(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        return
    taken: Any = connection.execute(text("SELECT GET_LOCK('fumehood-memory', 60)")).scalar()
    if taken != 1:
        raise MemoryTroubleError("another process has been changing the memory's tables for a minute", "try again")
