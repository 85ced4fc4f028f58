"""What a user writes after ``--data`` becomes a ``DataSpec``, or a ``DataError`` that says what to write instead.

    digits                                       a built-in set (``catalog``)
    csv:PATH#target=COLUMN                       a CSV file with a header
    csv:PATH#target=COLUMN&task=regression       the same, its task said
    cifar10, imagefolder:PATH#size=32            images (``image_specs``)

Values of options are percent-decoded (%26 is an ampersand in a column's name). A path may hold a '#': the options
start at the last ``#target=``. Files are looked at (is it there, how large is it) and never parsed: whether the column
exists is found out in the prepare room.
"""

import hashlib
import os
import stat
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from fumehood.data import catalog, image_specs, published
from fumehood.data.folder import PackedFolder
from fumehood.errors import DataError
from fumehood.records import Record
from fumehood.text import plain
from fumehood.whole_file import whole_file
from fumehood_shared.messages import BuiltinSource, CsvSource, Source, Task

CSV_FILE: Final = "data.csv"
"""Name of a CSV file in the prepare room's raw folder."""

NO_TARGET: Final = ""
"""``CsvSource.target`` of new rows whose file has no target column, or none that was named."""

_CSV_FORM = "csv:PATH#target=COLUMN"
_OPTIONS = ("target", "task")
_SIZE_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


class DataSpec(Record):
    """A data set that the user named: what the prepare room is told, and which files it is given."""

    text: str
    """As the user wrote it."""
    source: Source
    files: tuple[tuple[str, Path | PackedFolder], ...] = ()
    """Name in the room's raw folder, and the absolute path on this machine, or the folder that becomes a file there."""

    def file_digests(self) -> dict[str, str]:
        """SHA-256 of each file, by name, as the room would get them now."""
        return {name: _digest(content) for name, content in self.files}


def parse(text: str, max_bytes: int | None = None) -> DataSpec:
    """The data set to learn from. ``max_bytes``: largest file taken; None is no limit.

    :raises DataError: for anything that cannot be used, with what to write instead.
    """
    return _parse(text, max_bytes, target_needed=True)


def for_new_rows(text: str, max_bytes: int | None = None) -> DataSpec:
    """Rows to predict: as in ``parse``, but ``#target=`` may be left out (``NO_TARGET``)."""
    return _parse(text, max_bytes, target_needed=False)


def _parse(text: str, max_bytes: int | None, *, target_needed: bool) -> DataSpec:
    if not text.strip():
        raise DataError("The data specification is empty.", _what_there_is())
    if wanted := image_specs.image_set(text):
        source = image_specs.set_source(text, wanted)
        return DataSpec(text=text, source=source, files=image_specs.set_files(wanted, max_bytes))
    scheme, colon, rest = text.strip().partition(":")
    if scheme == "imagefolder" and colon:
        folder_source, files = image_specs.folder_source(rest, max_bytes, classes_needed=target_needed)
        return DataSpec(text=text, source=folder_source, files=files)
    if not colon:
        return DataSpec(text=text, source=BuiltinSource(name=_builtin_name(scheme)))
    if scheme != "csv":
        raise DataError(f"There is no kind of data called '{plain(scheme, 60)}:'.", _what_there_is())
    path_text, options = _split_options(rest)
    csv_source = _csv_source(options, target_needed=target_needed)
    return DataSpec(text=text, source=csv_source, files=((CSV_FILE, _usable_file(path_text, max_bytes)),))


def _what_there_is() -> str:
    fetched = ", ".join(each.name for each in published.image_sets())
    return (
        f"Name a built-in set ({', '.join(catalog.names())}), one that can be fetched ({fetched}), a file "
        f"({_CSV_FORM}) or a folder of images ({image_specs.FOLDER_FORM})."
    )


def _builtin_name(name: str) -> str:
    if catalog.find(name):
        return name
    shown = plain(name, 60)
    if name.lower().partition("#")[0].endswith((".csv", ".tsv", ".txt")):
        raise DataError(f"'{shown}' is not the name of a data set.", f"For a file, write {_CSV_FORM}.")
    known = ", ".join(nearest_first(name, (*catalog.names(), *(each.name for each in published.image_sets()))))
    hint = f"There are: {known}. For a file, write {_CSV_FORM}; for images, {image_specs.FOLDER_FORM}."
    raise DataError(f"There is no data set called '{shown}'.", hint)


# ---- options -------------------------------------------------------------------------------------------------------


def _split_options(rest: str) -> tuple[str, dict[str, str]]:
    """Path and decoded options."""
    path, marker, fragment = rest.rpartition("#target=")
    if marker:
        return path, _options(f"target={fragment}")
    path, marker, fragment = rest.rpartition("#")
    if marker and "=" in fragment:
        return path, _options(fragment)
    return rest, {}


def _options(fragment: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in fragment.split("&"):
        name, _, value = part.partition("=")
        if name not in _OPTIONS:
            close = get_close_matches(name, _OPTIONS, n=1)
            meant = f" Did you mean {close[0]}?" if close else " Write %26 for an ampersand in a column's name."
            raise DataError(f"Unknown data option '{plain(name, 60)}'.", f"Options are: {', '.join(_OPTIONS)}.{meant}")
        if name in found:
            raise DataError(f"The data option '{name}' is given twice.", "Give it once.")
        found[name] = _decoded(name, value)
    return found


def _decoded(name: str, value: str) -> str:
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError as error:
        hint = "Percent-encode the bytes of UTF-8, or write the characters themselves."
        raise DataError(f"The value of the data option '{name}' is not UTF-8 once decoded.", hint) from error


def _csv_source(options: dict[str, str], *, target_needed: bool) -> CsvSource:
    target = options.get("target", "").strip()
    if not target and target_needed:
        raise DataError("The CSV file has no column named to predict.", f"Add it: {_CSV_FORM}.")
    return CsvSource(target=target or NO_TARGET, task=_task(options))


def _task(options: dict[str, str]) -> Task | None:
    if "task" not in options:
        return None
    try:
        return Task(options["task"])
    except ValueError as error:
        known = " or ".join(f"task={task}" for task in Task)
        raise DataError(f"Unknown task '{plain(options['task'], 60)}'.", f"Write {known}.") from error


def nearest_first(wanted: str, names: Sequence[str]) -> tuple[str, ...]:
    """``names``, those that resemble ``wanted`` first."""
    close = get_close_matches(wanted.casefold().replace("-", "_"), names, n=3, cutoff=0.5)
    return (*close, *(name for name in names if name not in close))


# ---- the file ------------------------------------------------------------------------------------------------------


def _usable_file(path_text: str, max_bytes: int | None) -> Path:
    if not path_text:
        raise DataError("The data specification names no file.", f"Write {_CSV_FORM}.")
    path = _absolute(path_text)
    size = _size_of_regular_file(path)
    if size == 0:
        raise DataError(f"The file {_shown(path)} is empty.", "It needs a header line and at least ten rows.")
    if max_bytes is not None and size > max_bytes:
        raise DataError(
            f"The file {_shown(path)} is {_size(size)}, and at most {_size(max_bytes)} are taken.",
            "Use fewer rows or columns, or a policy that gives the prepare room more.",
        )
    return path


def _digest(content: Path | PackedFolder) -> str:
    digest = hashlib.sha256()
    with whole_file(content) if isinstance(content, Path) else content.opened() as (_, pieces):
        for piece in pieces:
            digest.update(piece)
    return digest.hexdigest()


def _absolute(path_text: str) -> Path:
    try:
        return Path(os.path.abspath(Path(path_text).expanduser()))  # noqa: PTH100 - resolve() would follow symlinks
    except RuntimeError as error:  # ~user, where there is no such user
        raise DataError(f"The path {plain(path_text, 200)} has no home directory.", "Write it out.") from error


def _size_of_regular_file(path: Path) -> int:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise DataError(f"{_shown(path)} is a directory.", f"Name one file: {_CSV_FORM}.")
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{_shown(path)} is not a regular file.", "Copy what it yields to a file first.")
        with path.open("rb"):
            return status.st_size
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"There is no file {_shown(path)}.", _nearby(path)) from error
    except PermissionError as error:
        raise DataError(f"The file {_shown(path)} may not be read by you.", "Change its mode, or copy it.") from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise DataError(f"The file {_shown(path)} cannot be read: {plain(str(error), 200)}.", "Check it.") from error


def _nearby(path: Path) -> str:
    """A hint with the files beside it that are called something like it."""
    try:
        beside = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    except OSError:
        return f"There is no directory {_shown(path.parent)} to look in, or it may not be read."
    close = get_close_matches(path.name, beside, n=3, cutoff=0.5)
    return f"Beside it there are: {', '.join(plain(n, 60) for n in close)}." if close else "Check the path."


def _shown(path: Path) -> str:
    return plain(str(path), 200)


def _size(nbytes: int) -> str:
    amount, unit = float(nbytes), 0
    while amount >= 1024 and unit < len(_SIZE_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{nbytes} bytes" if unit == 0 else f"{amount:.1f} {_SIZE_UNITS[unit]}"
