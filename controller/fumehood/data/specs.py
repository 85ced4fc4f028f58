"""What a user writes after ``--data`` becomes a ``DataSpec``, or a ``DataError`` that says what to write instead.

digits                                       a built-in set (``catalog``)
csv:PATH#target=COLUMN                       a file, by the scheme before the colon (``SCHEMES``)
"""

from pathlib import Path
from typing import Final

from fumehood.data import catalog, tables
from fumehood.data.scheme import Scheme
from fumehood.errors import DataError
from fumehood.records import Record
from fumehood.text import plain
from fumehood_shared.messages import BuiltinSource, Source

SCHEMES: Final[tuple[Scheme, ...]] = (*tables.SCHEMES,)
"""Every kind of data of the user's own, by the word before the colon."""


class DataSpec(Record):
    """A data set that the user named: what the prepare room is told, and which files it is given."""

    text: str
    """As the user wrote it."""
    source: Source
    files: tuple[tuple[str, Path], ...] = ()
    """Name in the room's raw folder, and the absolute path on this machine."""


def parse(text: str, max_bytes: int | None = None) -> DataSpec:
    """The data set to learn from. ``max_bytes``: largest file taken; None is no limit.

    :raises DataError: for anything that cannot be used, with what to write instead.
    """
    return _parse(text, max_bytes, new_rows=False)


def for_new_rows(text: str, max_bytes: int | None = None) -> DataSpec:
    """Rows to predict: as in ``parse``, but the target may be left out (``tables.NO_TARGET``)."""
    return _parse(text, max_bytes, new_rows=True)


def _parse(text: str, max_bytes: int | None, *, new_rows: bool) -> DataSpec:
    if not text.strip():
        raise DataError("The data specification is empty.", _what_there_is())
    name, colon, rest = text.strip().partition(":")
    if not colon:
        return DataSpec(text=text, source=BuiltinSource(name=_builtin_name(name)))
    scheme = next((scheme for scheme in SCHEMES if scheme.name == name), None)
    if scheme is None:
        raise DataError(f"There is no kind of data called '{plain(name, 60)}:'.", _what_there_is())
    source, files = scheme.parse(rest, max_bytes, new_rows=new_rows)
    return DataSpec(text=text, source=source, files=files)


def _what_there_is() -> str:
    return f"Name a built-in set ({', '.join(catalog.names())}) or a file ({_forms()})."


def _forms() -> str:
    return ", ".join(scheme.form for scheme in SCHEMES)


def _builtin_name(name: str) -> str:
    if catalog.find(name):
        return name
    shown = plain(name, 60)
    ending = name.lower().partition("#")[0].rpartition(".")[2]
    scheme = next((scheme for scheme in SCHEMES if ending == scheme.name), None)
    if scheme is not None or ending in ("tsv", "txt"):
        form = scheme.form if scheme else SCHEMES[0].form
        raise DataError(f"'{shown}' is not the name of a data set.", f"For a file, write {form}.")
    known = ", ".join(catalog.nearest_first(name))
    raise DataError(f"There is no data set called '{shown}'.", f"There are: {known}. For a file, write {_forms()}.")
