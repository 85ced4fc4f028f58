"""Lines of JSON, each an object with a text, become texts and columns, or a refusal that names the line.

Only the keys that were asked for are read; what else an object holds may be anything. A value is a string, a number or
true or false, and one key has one kind of them in all lines; null, NaN and an absent key are a missing value. Blank
lines do not count.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa

from fumehood_runner.prepare import memory
from fumehood_runner.prepare.cells import Cells, Table, from_numbers, from_words
from fumehood_runner.prepare.refusals import Refused, listing, nearest_first, printable, shown
from fumehood_shared.messages import RefusalKind

_PARSE_FACTOR = 6
_LONGEST_LINE = 1 << 24
_KINDS: Mapping[type, str] = {str: "a string", int: "a number", float: "a number", bool: "true or false"}
_HEADS = 1000
"""Lines whose keys are remembered, for messages."""


@dataclass(frozen=True)
class Lines:
    """What was read: a text for every line with an object, and the other keys as a table of as many rows."""

    texts: tuple[str, ...]
    missing: int
    """Lines without the text; theirs is empty."""
    table: Table


def read_jsonl(path: Path, text: str, keys: Sequence[str]) -> Lines:
    """Read the whole file: the value of ``text``, and columns of ``keys``; those that no line has are not there."""
    memory.require(_PARSE_FACTOR * path.stat().st_size, "the file")
    numbers: list[int] = []
    values: dict[str, list[Any]] = {key: [] for key in dict.fromkeys([text, *keys])}
    seen: dict[str, None] = {}
    for number, record in _records(path):
        numbers.append(number)
        if len(numbers) <= _HEADS:
            seen.update(dict.fromkeys(record))
        for key, column in values.items():
            column.append(_plain(record.get(key), key, number))
    if numbers:
        _expect_text(values[text], text, list(seen), numbers)
    columns = [_cells(key, values[key], numbers) for key in keys if any(v is not None for v in values[key])]
    return Lines(
        tuple(value if value is not None else "" for value in values[text]),
        sum(value is None for value in values[text]),
        Table(tuple(columns), len(numbers)),
    )


# ---- lines ---------------------------------------------------------------------------------------------------------


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The number of each line, from 1, and its object."""
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE + 1), b""), start=1):
            if len(line) > _LONGEST_LINE:
                _refuse(number, f"is longer than {_LONGEST_LINE >> 20} MiB")
            content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if content.strip():
                yield number, _record(content, number)


def _record(line: bytes, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line.decode(), object_pairs_hook=_once(number), parse_constant=lambda _: None)
    except UnicodeDecodeError as error:
        _refuse(number, f"is not UTF-8 text (byte {error.start} of the line)")
    except json.JSONDecodeError as error:
        hint = ". One JSON array over several lines is not JSON lines" if number == 1 and line.strip() == b"[" else ""
        _refuse(number, f"is not JSON: {printable(error.msg)} at character {error.colno}{hint}")
    except (RecursionError, ValueError):
        _refuse(number, "is nested too deeply, or holds a number of thousands of digits")
    if not isinstance(value, dict):
        what = "an array" if isinstance(value, list) else "a single value"
        _refuse(number, f"is {what} and not an object. Write one object with its keys on every line")
    return value


def _once(number: int) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """Objects name a key once: of two values, which one is meant is not known."""

    def read(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            _refuse(number, f"has the key {shown(next(n for n in names if names.count(n) > 1))} more than once")
        return found

    return read


def _refuse(number: int, what: str) -> NoReturn:
    raise Refused(RefusalKind.NOT_READABLE, f"Line {number} {what}.")


# ---- values --------------------------------------------------------------------------------------------------------


def _plain(value: Any, key: str, number: int) -> str | float | bool | None:
    if isinstance(value, dict | list):
        nested = "an object" if isinstance(value, dict) else "an array"
        _refuse(number, f"has {nested} in {shown(key)}, where a string, a number or true or false is needed")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()  # half of a surrogate pair is no character
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return float("inf")
    return value  # type: ignore[no-any-return]  # what is left of JSON: a float, true, false, null


def _expect_text(column: Sequence[Any], key: str, seen: Sequence[str], numbers: Sequence[int]) -> None:
    if all(value is None for value in column):
        names = listing(nearest_first(key, seen), limit=10)
        raise Refused(RefusalKind.WRONG_COLUMNS, f"No line has a text in {shown(key)}. The keys are {names}.")
    for value, number in zip(column, numbers, strict=True):
        if value is not None and not isinstance(value, str):
            _refuse(number, f"has {_KINDS[type(value)]} in {shown(key)}, where a text is needed")


def _cells(key: str, column: Sequence[Any], numbers: Sequence[int]) -> Cells:
    first: dict[str, int] = {}
    for value, number in zip(column, numbers, strict=True):
        if value is not None:
            first.setdefault(_KINDS[type(value)], number)
    if len(first) > 1:
        mixed = " and ".join(f"{kind} (first in line {number})" for kind, number in first.items())
        raise Refused(RefusalKind.BAD_TARGET, f"{shown(key)} holds {mixed}. Write all of them in one way.")
    if "a number" in first:
        return from_numbers(key, np.array([np.nan if v is None else v for v in column], dtype=np.float64))
    words = [str(v).lower() if isinstance(v, bool) else v for v in column]
    return from_words(key, pa.array([w if w is None or w.strip() else None for w in words], pa.string()))
