"""SQLAlchemy engines, set up for several processes at once."""

from typing import Any

from sqlalchemy import Engine, create_engine, event

from fumehood.memory.address import PATIENCE_S, Address


def connect(address: Address) -> Engine:
    """An engine for ``address``. Connects to nothing yet."""
    if not address.is_sqlite:
        isolation = {"isolation_level": "READ COMMITTED"} if address.url.get_backend_name() == "mysql" else {}
        arguments = dict(address.arguments)
        return create_engine(address.url, connect_args=arguments, pool_pre_ping=True, pool_size=2, **isolation)
    engine = create_engine(address.url, connect_args=dict(address.arguments))
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    """Readers beside a writer, waiting instead of failing, keys that hold, and deleted rows that are overwritten."""
    cursor = connection.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout = {int(PATIENCE_S * 1000)}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA secure_delete = ON")
        if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")  # in WAL mode a crash damages nothing with it
    finally:
        cursor.close()
