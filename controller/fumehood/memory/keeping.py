"""A run's insights are kept whatever happens: in a file of the run first, then in the database if it can be written."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fumehood.errors import MemoryTroubleError
from fumehood.memory.rows import to_line
from fumehood.memory.store import MemoryStore
from fumehood.records.insight import Insight
from fumehood.run_directory import write_text

FILE: Final = "insights.jsonl"


@dataclass(frozen=True)
class Kept:
    file: Path
    """Every insight, importable with ``fumehood memory import``."""
    insights: int
    new: int
    """How many the database did not have; 0 where it could not be written."""
    trouble: MemoryTroubleError | None
    """Why it could not."""


def keep(
    where: MemoryStore | str | None, insights: Iterable[Insight], folder: Path, namespace: str = "default"
) -> Kept:
    """Write ``folder/insights.jsonl``, then store the insights in ``where``: an open memory, or an address of one.

    Raises OSError where the file cannot be written, and nothing for a database that cannot.
    """
    found, file = list(insights), folder / FILE
    write_text(file, "".join(map(to_line, found)))
    try:
        if isinstance(where, MemoryStore):
            return Kept(file, len(found), where.add(found), None)
        with MemoryStore.open(where, namespace) as store:
            return Kept(file, len(found), store.add(found), None)
    except MemoryTroubleError as trouble:
        return Kept(file, len(found), 0, trouble)
