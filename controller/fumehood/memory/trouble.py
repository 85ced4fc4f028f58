"""Whatever goes wrong with a memory's database becomes one kind of error, with what happened, why and what to do.

Drivers, SQLAlchemy and Memori raise errors of a hundred types. None of them may stop a research run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from fumehood.errors import FumehoodError, MemoryTroubleError
from fumehood.memory.address import Address

_KNOWN: Final = (
    (("database is locked", "table is locked", "lock wait timeout", "could not be acquired"),
     "it is locked by another process", "wait for it to end, then try again"),
    (("readonly", "read-only", "permission denied"), "it cannot be written",
     "give permission, or name another database with --memory-db"),
    (("disk is full", "no space left", "file too large", "disk i/o error", "is full", "could not extend"),
     "there is no room for it, or its disk fails", "make room, then try again"),
    (("malformed", "not a database", "corrupt", "cannot be read back"), "it is damaged",
     "move the file away and import what runs kept: fumehood memory import RUN/memori/insights.jsonl"),
    (("password", "authentication", "access denied"), "it refuses the user or the password", "check the address"),
    (("unable to open", "could not connect", "connection refused", "can't connect", "connection failed",
      "failed to resolve", "server closed", "lost connection", "timeout expired", "gone away", "does not exist",
      "unknown database"),
     "it cannot be reached", "check the address, and whether the database is there"),
)  # fmt: skip
"""What drivers say, in lower case -> what that means and what to do. The first that fits."""


@contextmanager
def as_trouble(address: Address, doing: str) -> Iterator[None]:
    """Turn every error within into MemoryTroubleError; ``doing`` says what was tried: "be opened", "be read"."""
    try:
        yield
    except FumehoodError:
        raise
    except Exception as error:  # three libraries and any driver: whatever it is, research goes on
        raise trouble(address, doing, error) from error


def trouble(address: Address, doing: str, error: BaseException) -> MemoryTroubleError:
    said = address.without_secrets(str(getattr(error, "orig", None) or error)) or type(error).__name__
    lowered = f"{said} {error}".lower()
    for words, why, hint in _KNOWN:
        if any(word in lowered for word in words):
            return MemoryTroubleError(f"the memory in {address.shown} cannot {doing}: {why} ({said})", hint)
    return MemoryTroubleError(
        f"the memory in {address.shown} cannot {doing}: {said} ({type(error).__name__})",
        "go on without it (--no-memory), or name another database with --memory-db",
    )
