"""The columns of a table in memory: numbers, or text as codes into a list of distinct values.

Always holds: a missing cell is NaN in a number column and code -1 in a text column. A cell is missing when, without
the white space around it, it is empty or one of NA, N/A, NaN, null, ? in any case; an infinite number counts as
missing where its column is read as numbers. A column of text that has numbers in it keeps both readings, because
which one is right depends on the training rows alone, and those are drawn later (``encoders``).
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_MISSING = pa.array(["", "na", "n/a", "nan", "null", "?"])
_NUMBER = r"^[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|(?i:inf|infinity))$"
_DECIMAL_COMMA = r"^[+-]?(\d+,\d+|\d+)([eE][+-]?\d+)?$"


@dataclass(frozen=True)
class NumberCells:
    """A column in which every cell is a number or missing."""

    name: str
    values: Floats
    """N; NaN where missing."""
    infinite: int = 0
    """How many cells were infinite, in the file as a whole."""

    @property
    def missing(self) -> NDArray[np.bool_]:
        return np.isnan(self.values)

    def pick(self, rows: Rows) -> "NumberCells":
        return replace(self, values=self.values[rows])


@dataclass(frozen=True)
class TextCells:
    """A column in which some cell is neither a number nor missing, or that was asked for as text."""

    name: str
    codes: NDArray[np.int32]
    """N indices into ``values``; -1 where missing."""
    values: tuple[str, ...]
    numbers: Floats
    """What each of ``values`` is as a number; NaN where it is none or infinite."""

    @property
    def missing(self) -> NDArray[np.bool_]:
        return self.codes < 0

    def pick(self, rows: Rows) -> "TextCells":
        return replace(self, codes=self.codes[rows])

    def as_numbers(self) -> Floats:
        """N numbers, NaN where missing or not a number."""
        return np.append(self.numbers, np.nan)[self.codes]


Cells = NumberCells | TextCells


@dataclass(frozen=True)
class Table:
    """Columns of equal length, in the order of the file, and what the reader has to say about them."""

    columns: tuple[Cells, ...]
    rows: int
    notes: tuple[str, ...] = ()

    def column(self, name: str) -> Cells | None:
        return next((c for c in self.columns if c.name == name), None)

    def without(self, name: str) -> "Table":
        return replace(self, columns=tuple(c for c in self.columns if c.name != name))

    def pick(self, rows: Rows) -> "Table":
        return replace(self, columns=tuple(c.pick(rows) for c in self.columns), rows=len(rows))


def from_strings(name: str, strings: pa.ChunkedArray, *, as_text: bool, decimal_comma: bool) -> Cells:
    """Read one column of raw cells. ``decimal_comma`` also reads 1,5 as a number, if the whole column agrees."""
    trimmed = pc.utf8_trim_whitespace(strings)
    missing = pc.is_in(pc.utf8_lower(trimmed), value_set=_MISSING)
    present = pc.if_else(missing, pa.scalar(None, pa.string()), trimmed)
    numbers = None if as_text else _as_numbers(present, decimal_comma)
    return _text(name, present) if numbers is None else from_numbers(name, numbers)


def from_words(name: str, words: pa.Array) -> TextCells:
    """A column of strings as they are, null where missing."""
    return _text(name, pa.chunked_array([words]))


def from_numbers(name: str, values: Floats) -> NumberCells:
    """A column of N numbers of its own, NaN where missing; infinite ones count as missing, in place."""
    infinite = np.isinf(values)
    values[infinite] = np.nan
    return NumberCells(name, values, int(infinite.sum()))


def _as_numbers(present: pa.ChunkedArray, decimal_comma: bool) -> Floats | None:
    """N numbers, NaN for null; None where a cell is no number."""
    if _all(pc.match_substring_regex(present, _NUMBER)):
        return _cast(present)
    if decimal_comma and _all(pc.match_substring_regex(present, _DECIMAL_COMMA)):
        return _cast(pc.replace_substring(present, ",", "."))
    return None


def _all(answers: pa.ChunkedArray) -> bool:
    return pc.all(answers, min_count=0).as_py() is not False


def _cast(present: pa.ChunkedArray) -> Floats:
    return np.array(pc.cast(present, pa.float64()).to_numpy(), dtype=np.float64)


def _text(name: str, present: pa.ChunkedArray) -> TextCells:
    encoded = present.dictionary_encode().unify_dictionaries()
    values = encoded.chunk(0).dictionary if encoded.num_chunks else pa.array([], pa.string())
    codes = [np.asarray(pc.fill_null(chunk.indices, -1), dtype=np.int32) for chunk in encoded.chunks]
    matched = pc.match_substring_regex(values, _NUMBER)
    numbers = _cast(pa.chunked_array([pc.if_else(matched, values, pa.scalar(None, pa.string()))]))
    numbers[np.isinf(numbers)] = np.nan
    joined = np.concatenate(codes) if codes else np.empty(0, np.int32)
    return TextCells(name, joined, tuple(values.to_pylist()), numbers)
