"""What a user writes after ``--data`` becomes a ``DataSpec``, or a ``DataError`` that says what to write instead.

digits                                       a built-in set (``catalog``)
cifar10                                      a public image set (``published``)
csv:PATH#target=COLUMN                       a file or folder, by the scheme before the colon (``SCHEMES``)
"""

import hashlib
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from fumehood.data import catalog, images, published, tables
from fumehood.data.folder import PackedFolder
from fumehood.data.scheme import Files, Scheme
from fumehood.errors import DataError
from fumehood.records import Record
from fumehood.text import plain
from fumehood.whole_file import whole_file
from fumehood_shared.messages import BuiltinSource, Source

SCHEMES: Final[tuple[Scheme, ...]] = (*tables.SCHEMES, *images.SCHEMES)
"""Every kind of data of the user's own, by the word before the colon."""


class DataSpec(Record):
    """A data set that the user named: what the prepare room is told, and which files it is given."""

    text: str
    """As the user wrote it."""
    source: Source
    files: Files = ()

    def file_digests(self) -> dict[str, str]:
        """SHA-256 of each file, by name, as the room would get them now."""
        return {name: _digest(content) for name, content in self.files}


def parse(text: str, max_bytes: int | None = None) -> DataSpec:
    """The data set to learn from. ``max_bytes``: of all its files together; None is no limit.

    :raises DataError: for anything that cannot be used, with what to write instead.
    """
    return _parse(text, max_bytes, new_rows=False)


def for_new_rows(text: str, max_bytes: int | None = None) -> DataSpec:
    """Rows to predict: as in ``parse``, but the target may be left out (``tables.NO_TARGET``)."""
    return _parse(text, max_bytes, new_rows=True)


def names() -> tuple[str, ...]:
    """Of all data sets that need neither file nor folder of the user's: built-in ones, then those to be fetched."""
    return (*catalog.names(), *(each.name for each in published.image_sets()))


def nearest_first(wanted: str, known: Iterable[str]) -> tuple[str, ...]:
    """``known``, those that resemble ``wanted`` first."""
    known = tuple(known)
    close = get_close_matches(wanted.casefold().replace("-", "_"), known, n=3, cutoff=0.5)
    return (*close, *(name for name in known if name not in close))


def _parse(text: str, max_bytes: int | None, *, new_rows: bool) -> DataSpec:
    written = text.strip()
    if not written:
        raise DataError("The data specification is empty.", _what_there_is())
    kind, colon, rest = written.partition(":")
    if colon and "#" not in kind:
        source, files = _scheme(kind).parse(rest, max_bytes, new_rows=new_rows)
    else:
        source, files = _named(written, max_bytes)
    return DataSpec(text=text, source=source, files=files)


def _scheme(kind: str) -> Scheme:
    scheme = next((scheme for scheme in SCHEMES if scheme.name == kind), None)
    if scheme is None:
        raise DataError(f"There is no kind of data called '{plain(kind, 60)}:'.", _what_there_is())
    return scheme


def _named(written: str, max_bytes: int | None) -> tuple[Source, Files]:
    if public := images.public_set(written):
        return images.parse_public(public, written, max_bytes)
    if catalog.find(written):
        return BuiltinSource(name=written), ()
    shown = plain(written, 60)
    ending = written.lower().partition("#")[0].rpartition(".")[2]
    scheme = next((scheme for scheme in SCHEMES if ending == scheme.name), None)
    if scheme is not None or ending in ("tsv", "txt"):
        form = scheme.form if scheme else SCHEMES[0].form
        raise DataError(f"'{shown}' is not the name of a data set.", f"For a file, write {form}.")
    known = ", ".join(nearest_first(written, names()))
    hint = f"There are: {known}. For data of your own, write {_forms()}."
    raise DataError(f"There is no data set called '{shown}'.", hint)


def _what_there_is() -> str:
    return f"Name a data set ({', '.join(names())}), or data of your own ({_forms()})."


def _forms() -> str:
    return ", ".join(scheme.form for scheme in SCHEMES)


def _digest(content: Path | PackedFolder) -> str:
    digest = hashlib.sha256()
    with whole_file(content) if isinstance(content, Path) else content.opened() as (_, pieces):
        for piece in pieces:
            digest.update(piece)
    return digest.hexdigest()
