"""What the part of a data specification before its colon stands for, and how the rest of it is taken apart.

A specification is ``SCHEME:PATH#OPTION=VALUE&...``. Values are percent-decoded (%26 is an ampersand in a column's
name). A path may hold a '#': the options start at the last '#' before a known option.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import unquote

from fumehood.data.folder import PackedFolder
from fumehood.errors import DataError
from fumehood.text import plain
from fumehood_shared.messages import Source, Task

Files = tuple[tuple[str, Path | PackedFolder], ...]
"""Name in the room's raw folder, and the absolute path on this machine, or the folder that becomes a file there."""


@dataclass(frozen=True)
class Asked:
    """What follows the colon, taken apart."""

    path: str
    options: Mapping[str, str]
    """Decoded, only those that the scheme knows."""
    max_bytes: int | None
    """Of all files together; None is no limit."""
    new_rows: bool
    """Rows to predict, which need no target."""


@dataclass(frozen=True)
class Scheme:
    """One kind of data. ``read`` raises DataError for what cannot be used."""

    name: str
    form: str
    """What a user writes, for messages: ``csv:PATH#target=COLUMN``."""
    summary: str
    options: tuple[str, ...]
    read: Callable[[Asked], tuple[Source, Files]]

    def parse(self, rest: str, max_bytes: int | None, *, new_rows: bool) -> tuple[Source, Files]:
        """``rest``: all that follows the colon."""
        path, options = _split(rest, self.options)
        return self.read(Asked(path, options, max_bytes, new_rows))


def task(options: Mapping[str, str]) -> Task | None:
    """The task that the user said."""
    if "task" not in options:
        return None
    try:
        return Task(options["task"])
    except ValueError as error:
        known = " or ".join(f"task={task}" for task in Task)
        raise DataError(f"Unknown task '{plain(options['task'], 60)}'.", f"Write {known}.") from error


def _split(rest: str, known: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Path and decoded options."""
    start = max(rest.rfind(f"#{name}=") for name in known)
    if start >= 0:
        return rest[:start], read_options(rest[start + 1 :], known)
    path, marker, fragment = rest.rpartition("#")
    if marker and "=" in fragment:
        return path, read_options(fragment, known)
    return rest, {}


def read_options(fragment: str, known: Sequence[str]) -> dict[str, str]:
    """What follows the '#', decoded. Raises DataError for an option that is not ``known``, or is given twice."""
    found: dict[str, str] = {}
    for part in fragment.split("&") if fragment else ():
        name, _, value = part.partition("=")
        if name not in known:
            raise DataError(f"Unknown data option '{plain(name, 60)}'.", _known_options(name, known))
        if name in found:
            raise DataError(f"The data option '{name}' is given twice.", "Give it once.")
        found[name] = _decoded(name, value)
    return found


def _known_options(wrong: str, known: Sequence[str]) -> str:
    if not known:
        return "This data set takes no options."
    close = get_close_matches(wrong, known, n=1)
    meant = f"Did you mean {close[0]}?" if close else "Write %26 for an ampersand in a name."
    return f"Options are: {', '.join(known)}. {meant}"


def _decoded(name: str, value: str) -> str:
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError as error:
        hint = "Percent-encode the bytes of UTF-8, or write the characters themselves."
        raise DataError(f"The value of the data option '{name}' is not UTF-8 once decoded.", hint) from error
