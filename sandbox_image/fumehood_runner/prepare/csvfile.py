"""A CSV file of the user's becomes a ``Table``, or a refusal that names the byte, the line or the column.

The file has a header. The text is UTF-8, with or without a byte order mark, or UTF-16 with one; anything else is
refused with the offset of the first byte that does not fit, because a guessed encoding corrupts names silently. The
delimiter is a comma, a semicolon, a tab or a vertical bar: the one under which the first records agree with the header.
In a file with semicolons a column of 1,5 is read as numbers. Nothing here looks at what a column means.
"""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.csv as arrow_csv

from fumehood_runner.prepare import memory
from fumehood_runner.prepare.cells import Cells, Table, from_strings
from fumehood_runner.prepare.refusals import Refused, listing, printable
from fumehood_shared.messages import RefusalKind

_DELIMITERS = ",;\t|"
_CHUNK = 1 << 20
_HEAD = 1 << 18
_LONGEST_LINE = 1 << 24
_SAMPLE = 100
_PARSE_FACTOR = 3
_CELL_BYTES = 12
"""Measured: a file of long floats peaks at 2.4 times its size; short cells take 8 bytes each, and room to work."""
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Layout:
    """How the file is written: its encoding, its delimiter, its header and whether rows follow it."""

    encoding: str
    delimiter: str
    names: tuple[str, ...]
    has_rows: bool


def read_csv(path: Path, as_text: frozenset[str] = frozenset()) -> Table:
    """Read the whole file; the columns in ``as_text`` stay text even where every cell is a number."""
    encoding = _checked_encoding(path)
    layout = _layout(path, encoding)
    if not layout.has_rows:
        return Table((), 0)
    memory.require(_PARSE_FACTOR * path.stat().st_size, "the file")
    columns = _parse(path, layout)
    rows = len(columns[0])
    memory.require(_CELL_BYTES * rows * len(columns), "its cells")
    return Table(tuple(_cells(columns, layout, as_text)), rows, _notes(layout))


def looks_like_number(text: str) -> bool:
    """True where a name is what one would rather expect in a cell."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _cells(columns: list[pa.ChunkedArray], layout: Layout, as_text: frozenset[str]) -> Iterator[Cells]:
    columns.reverse()
    for name in layout.names:
        yield from_strings(name, columns.pop(), as_text=name in as_text, decimal_comma=layout.delimiter == ";")


def _notes(layout: Layout) -> tuple[str, ...]:
    if not all(looks_like_number(name) for name in layout.names):
        return ()
    return ("Every column name is a number. If the first line holds data, add a header: that row was not used.",)


# ---- text ----------------------------------------------------------------------------------------------------------


def _checked_encoding(path: Path) -> str:
    """The file's encoding, after every byte of it was decoded once."""
    with path.open("rb") as file:
        start = file.read(4)
        encoding = "utf-16" if start.startswith(_UTF16) else "utf-8-sig"
        file.seek(0)
        blank = _decode_all(file, encoding)
    if blank:
        raise Refused(RefusalKind.NOT_READABLE, "The file is empty. It needs a header line and at least ten rows.")
    return encoding


def _decode_all(file: IO[bytes], encoding: str) -> bool:
    """Refuse what is not text; True where there is nothing but white space."""
    decoder = codecs.getincrementaldecoder("utf-16" if encoding == "utf-16" else "utf-8")()
    blank, offset = True, 0
    while True:
        chunk = file.read(_CHUNK)
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            raise _not_text(offset - pending + error.start, encoding) from error
        if "\0" in text:
            where = "" if encoding == "utf-16" else f" (byte {offset + chunk.find(0)})"
            raise Refused(RefusalKind.NOT_READABLE, f"The file is not text: it has a null character{where}.")
        blank = blank and not text.strip("\ufeff \t\r\n")
        offset += len(chunk)
        if not chunk:
            return blank


def _not_text(position: int, encoding: str) -> Refused:
    name = "UTF-16" if encoding == "utf-16" else "UTF-8"
    return Refused(
        RefusalKind.NOT_READABLE,
        f"The file is not {name} text: byte {position} does not fit. Save it as UTF-8 (for a file in an older "
        "encoding: iconv -f latin1 -t utf-8) and try again.",
    )


@contextmanager
def _text_lines(path: Path, encoding: str) -> Iterator[IO[str]]:
    with path.open("r", encoding=encoding, newline="") as file:
        yield file


# ---- layout --------------------------------------------------------------------------------------------------------


def _layout(path: Path, encoding: str) -> Layout:
    sample, whole = _sample(path, encoding)
    candidates = [(d, _records(sample, d, whole)) for d in _DELIMITERS]
    delimiter, records = max(candidates, key=lambda c: _agreement(c[1]))
    names = _named(records[0]) if records else ()
    if not names:
        raise Refused(RefusalKind.NOT_READABLE, "The first line could not be read as a header of column names.")
    _refuse_repeated(names)
    return Layout(encoding, delimiter, names, has_rows=len(records) > 1 or not whole)


def _sample(path: Path, encoding: str) -> tuple[str, bool]:
    """The first complete lines, and whether that is the whole file."""
    with _text_lines(path, encoding) as file:
        text = file.read(_HEAD).lstrip("\ufeff\r\n")
        while not _ends(text) and len(text) < _LONGEST_LINE and (more := file.read(_HEAD)):
            text += more
        whole = not file.read(1)
    return (text, True) if whole else (text[: _ends(text) or len(text)], False)


def _ends(text: str) -> int:
    """Length of ``text`` up to and with its last end of line; 0 where there is none."""
    return max(text.rfind("\n"), text.rfind("\r")) + 1


def _records(sample: str, delimiter: str, whole: bool) -> list[list[str]]:
    """The first records that are not blank. A last one that a sample may have cut is left out."""
    try:
        found = [r for r in islice(csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter), _SAMPLE) if r]
    except csv.Error:
        return []
    return found if whole or len(found) in (1, _SAMPLE) else found[:-1]


def _agreement(records: list[list[str]]) -> tuple[bool, float, int]:
    """How well a delimiter explains the records: has columns at all, share of records that fit, columns."""
    if not records:
        return (False, 0.0, 0)
    width = len(records[0])
    return (width > 1, sum(len(r) == width for r in records) / len(records), width)


def _named(cells: list[str]) -> tuple[str, ...]:
    return tuple(cell.strip() or f"column {i}" for i, cell in enumerate(cells, start=1))


def _refuse_repeated(names: tuple[str, ...]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if not repeated:
        return
    if all(looks_like_number(name) for name in names):
        message = "The file seems to have no header: its first line holds only numbers, some of them twice. Add one."
        raise Refused(RefusalKind.WRONG_COLUMNS, message)
    raise Refused(RefusalKind.WRONG_COLUMNS, f"The header names a column more than once: {listing(repeated)}.")


# ---- rows ----------------------------------------------------------------------------------------------------------


def _parse(path: Path, layout: Layout) -> list[pa.ChunkedArray]:
    keys = [str(i) for i in range(len(layout.names))]
    with _rows_as_utf8(path, layout.encoding) as stream:
        try:
            table = arrow_csv.read_csv(
                stream,
                arrow_csv.ReadOptions(
                    use_threads=False,  # a room may have no process ids to spare, and a failed start is a crash
                    column_names=keys,
                    skip_rows_after_names=1,
                    block_size=_LONGEST_LINE,
                ),
                arrow_csv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True),
                arrow_csv.ConvertOptions(column_types=dict.fromkeys(keys, pa.string()), strings_can_be_null=False),
            )
        except pa.ArrowInvalid as error:
            raise _bad_rows(path, layout, str(error)) from error
    return list(table.columns)


@contextmanager
def _rows_as_utf8(path: Path, encoding: str) -> Iterator[IO[bytes]]:
    """The file from its header on, as UTF-8. UTF-16 goes through memory as a whole; it is rare."""
    if encoding == "utf-16":
        yield io.BytesIO(path.read_text(encoding).lstrip("\ufeff\r\n").encode())
        return
    with path.open("rb") as file:
        start = file.read(_HEAD)
        file.seek(len(start) - len(start.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n")))
        yield file


def _bad_rows(path: Path, layout: Layout, reason: str) -> Refused:
    """Find the line again with a reader that counts lines; the fast one counts rows."""
    width, line = len(layout.names), 1
    with _text_lines(path, layout.encoding) as file:
        reader = csv.reader(file, delimiter=layout.delimiter)
        try:
            for record in reader:
                if record and len(record) != width:
                    return _ragged(line, len(record), width)
                line = reader.line_num + 1
        except csv.Error as error:
            reason = str(error)
    return Refused(RefusalKind.NOT_READABLE, f"The file cannot be read as CSV, near line {line}: {printable(reason)}")


def _ragged(line: int, found: int, width: int) -> Refused:
    return Refused(
        RefusalKind.NOT_READABLE,
        f"Line {line} has {found} value{'s' * (found != 1)}, but the header names {width} columns. "
        "Look there for a missing or extra delimiter, or a quote that is never closed.",
    )
