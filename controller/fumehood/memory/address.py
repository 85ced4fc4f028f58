"""Where a memory lies: a database's address, as users write it, made into one that SQLAlchemy can open.

What this yields names every driver and setting; what it shows never holds a password. No I/O, but for making the
default folder.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fumehood.errors import MemoryTroubleError, UsageError
from fumehood.text import plain

if TYPE_CHECKING:
    from sqlalchemy import URL

ENVIRONMENT: Final = "MEMORI_DATABASE__CONNECTION_STRING"
PATIENCE_S: Final = 5.0
"""Longest wait for a lock that another process holds."""
CONNECT_S: Final = 10
_DRIVERS: Final = {
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "mysql+pymysql": "mysql+pymysql",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "sqlite": "sqlite",
}
_POOLERS_OWN: Final = ("pgbouncer", "connection_limit", "pool_timeout", "schema")
"""Parameters that other clients put into the addresses of poolers, and that the driver does not know."""


@dataclass(frozen=True)
class Address:
    url: "URL"
    arguments: Mapping[str, Any]
    """For the driver, beside the address."""
    shown: str
    """For people: no password, no parameters."""
    file: Path | None
    """SQLite's file; None for a server, and for a database in the process's own memory."""

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    def without_secrets(self, words: str) -> str:
        """What a driver said, without any of the address's secrets."""
        for secret in (self.url.password, *(str(value) for value in self.url.query.values())):
            if secret and len(str(secret)) > 3:
                words = words.replace(str(secret), "***")
        return plain(words, 300)


def resolve(given: str | None) -> Address:
    """``given``, else the environment's, else SQLite in the user's data folder. A path alone is a SQLite file.

    Raises UsageError for what is no address, MemoryTroubleError where the default folder cannot be made.
    """
    written = given if given is not None else os.environ.get(ENVIRONMENT) or None
    if written is None:
        return _sqlite_file(_default_file())
    if "://" not in written:
        return _sqlite_file(Path(written).expanduser().absolute())
    return parse(written)


def parse(written: str) -> Address:
    """An address with a scheme. Raises UsageError, which repeats nothing of it but the scheme."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    scheme = written.partition("://")[0].lower()
    driver = _DRIVERS.get(scheme)
    if driver is None:
        raise UsageError(
            f"a memory cannot lie in a database of kind {plain(scheme, 40)!r}",
            "use sqlite:///FILE, postgresql://USER:PASSWORD@HOST/NAME or mysql://USER:PASSWORD@HOST/NAME",
        )
    try:
        url = make_url(written).set(drivername=driver)
    except (ArgumentError, ValueError):
        url = None
    if url is None or "@" in (url.host or ""):  # part of a password, as what could not be read may be
        raise UsageError(
            f"the address of the memory's database ({scheme}://...) cannot be read",
            "quote special characters of a password, such as @ and /, as %40 and %2F",
        )
    if driver == "sqlite":
        return _sqlite(url)
    url = url.difference_update_query(_POOLERS_OWN)
    return Address(url, _arguments(url), _shown(url), None)


def _arguments(url: "URL") -> dict[str, Any]:
    if url.get_backend_name() == "postgresql":
        # Poolers hand every transaction to another server process, which knows no statement prepared elsewhere.
        return {"prepare_threshold": None, **({} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_S})}
    charset = {} if "charset" in url.query else {"charset": "utf8mb4"}
    return {"connect_timeout": CONNECT_S, "read_timeout": 60, "write_timeout": 60, **charset}


def _shown(url: "URL") -> str:
    host = url.host or "localhost"
    port = f":{url.port}" if url.port else ""
    return plain(f"{url.get_backend_name()}://{host}{port}/{url.database or ''}", 200)


def _sqlite_file(path: Path) -> Address:
    from sqlalchemy import URL

    return _sqlite(URL.create("sqlite", database=str(path)))


def _sqlite(url: "URL") -> Address:
    name = url.database or ""
    in_memory = name in ("", ":memory:")
    file = None if in_memory or name.startswith("file:") else Path(name).absolute()
    return Address(url, {"timeout": PATIENCE_S}, "sqlite in RAM" if in_memory else plain(name, 200), file)


def _default_file() -> Path:
    from platformdirs import user_data_path

    folder = user_data_path("fumehood") / "memory"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise MemoryTroubleError(
            f"the memory's folder {plain(str(folder), 200)} cannot be made: {error.strerror}",
            "give permission, name another database with --memory-db, or go without: --no-memory",
        ) from error
    return folder / "memori.db"
