"""The schemes for one file of rows: CSV, Parquet, lines of JSON with a text, NumPy arrays.

Files are looked at (is it there, how large is it) and never parsed: whether a column exists is found out in the
prepare room.
"""

from typing import Any, Final

from fumehood.data import files
from fumehood.data.scheme import Asked, Files, Scheme, task
from fumehood.errors import DataError
from fumehood.text import plain
from fumehood_shared import caps, paths
from fumehood_shared.messages import CsvSource, JsonlSource, NpzSource, ParquetSource, Source

NO_TARGET: Final = ""
"""Target, and text, of new rows for which none was named."""

DEFAULT_LENGTH: Final = 256
"""Words of a text."""

_CSV_FORM = "csv:PATH#target=COLUMN"
_PARQUET_FORM = "parquet:PATH#target=COLUMN"
_JSONL_FORM = "jsonl:PATH#text=KEY&label=KEY"
_NPZ_FORM = "npz:PATH"


def _csv(asked: Asked) -> tuple[Source, Files]:
    source = CsvSource(target=_needed(asked, "target", "The CSV file", _CSV_FORM), **_common(asked))
    return source, ((paths.CSV, files.usable(asked.path, asked.max_bytes, _CSV_FORM)),)


def _parquet(asked: Asked) -> tuple[Source, Files]:
    source = ParquetSource(target=_needed(asked, "target", "The Parquet file", _PARQUET_FORM), **_common(asked))
    return source, ((paths.PARQUET, files.usable(asked.path, asked.max_bytes, _PARQUET_FORM)),)


def _jsonl(asked: Asked) -> tuple[Source, Files]:
    text = _needed(asked, "text", "The file of JSON lines", _JSONL_FORM)
    label = _needed(asked, "label", "The file of JSON lines", _JSONL_FORM)
    if text and text == label:
        raise DataError("Text and label are the same key.", f"Name two: {_JSONL_FORM}.")
    length = _length(asked.options.get("length", str(DEFAULT_LENGTH)))
    source = JsonlSource(text=text, target=label, length=length, **_common(asked))
    return source, ((paths.JSONL, files.usable(asked.path, asked.max_bytes, _JSONL_FORM)),)


def _npz(asked: Asked) -> tuple[Source, Files]:
    inputs, target = (asked.options.get(name, "").strip() or None for name in ("inputs", "target"))
    source = NpzSource(inputs=inputs, target=target, task=task(asked.options))
    return source, ((paths.NPZ, files.usable(asked.path, asked.max_bytes, _NPZ_FORM)),)


_MISSING = {"target": "column named to predict", "label": "key named to predict", "text": "key named to read"}


def _needed(asked: Asked, option: str, what: str, form: str) -> str:
    value = asked.options.get(option, "").strip()
    if not value and not asked.new_rows:
        raise DataError(f"{what} has no {_MISSING[option]}.", f"Add #{option}=: {form}.")
    return value or NO_TARGET


def _common(asked: Asked) -> dict[str, Any]:
    """The task, and how rows belong together."""
    group, time = (asked.options.get(name, "").strip() or None for name in ("group", "time"))
    if group and time:
        raise DataError("Rows are split either by #group= or by #time=.", "Give one of them.")
    predicted = asked.options.get("target") or asked.options.get("label")
    if (group or time) and (group or time) in (predicted, asked.options.get("text")):
        raise DataError("The split cannot go by the column that is read or predicted.", "Name another column.")
    return {"task": task(asked.options), "group": group, "time": time}


def _length(written: str) -> int:
    number = int(written) if written.isascii() and written.isdigit() and len(written) < 10 else 0
    if not 1 <= number <= caps.TOKENS_PER_TEXT:
        raise DataError(
            f"The length of texts is '{plain(written, 60)}'.",
            f"Write a number of words from 1 to {caps.TOKENS_PER_TEXT}.",
        )
    return number


_SPLIT = ("group", "time")

SCHEMES: Final = (
    Scheme("csv", _CSV_FORM, "a CSV file with a header", ("target", "task", *_SPLIT), _csv),
    Scheme("parquet", _PARQUET_FORM, "a Parquet file", ("target", "task", *_SPLIT), _parquet),
    Scheme("jsonl", _JSONL_FORM, "texts, one JSON object a line", ("text", "label", "task", "length", *_SPLIT), _jsonl),
    Scheme("npz", _NPZ_FORM, "NumPy arrays: inputs and targets, x and y", ("inputs", "target", "task"), _npz),
)
