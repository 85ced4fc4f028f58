"""The column to predict: which task it makes, and the numbers that stand for it.

Text makes a classification; so do at most 20 distinct integers, with a note; other integers are ambiguous unless the
user said the task; numbers with a fraction make a regression. "Integer" is about the value: 3.0 is one. Classes are
all the values of the column, as text, in numeric order for numbers and in code point order for text. Rows without a
target do not take part, and are counted. Nothing here looks at another column.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fumehood_runner.prepare.cells import Cells, Floats, NumberCells, Rows, Table, TextCells
from fumehood_runner.prepare.csvfile import looks_like_number
from fumehood_runner.prepare.refusals import Refused, listing, nearest_first, shown
from fumehood_shared.messages import RefusalKind, Task

FEWEST_ROWS = 10
FEWEST_PER_CLASS = 3
"""One for each split."""
_MOST_INTEGER_CLASSES = 20
_MOST_CLASSES = 100_000


@dataclass(frozen=True)
class Target:
    """Targets of the rows that have one."""

    name: str
    task: Task
    values: Rows | Floats
    """N: class indices for classification, else numbers in their own units."""
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def pick(self, rows: Rows) -> "Target":
        return replace(self, values=self.values[rows])

    def class_counts(self) -> dict[str, int]:
        if self.task is Task.REGRESSION:
            return {}
        counts = np.bincount(self.values.astype(np.int64), minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))


def separate(table: Table, name: str, said: Task | None) -> tuple[Table, Target, Rows]:
    """The other columns and the targets of the rows that have one, and which rows those are."""
    if not table.rows:
        raise Refused(RefusalKind.TOO_FEW_ROWS, "The file has no rows. At least ten are needed.")
    column = table.column(name)
    if column is None:
        raise _no_column(table, name)
    kept = np.flatnonzero(~column.missing)
    if len(kept) < FEWEST_ROWS:
        raise Refused(
            RefusalKind.TOO_FEW_ROWS,
            f"{len(kept)} of {table.rows} rows have a target in {shown(column.name)}; {FEWEST_ROWS} are the fewest.",
        )
    target = _read(column.pick(kept), said)
    return table.without(column.name).pick(kept), target, kept


def check_classes(target: Target) -> None:
    """Refuse one class only, and classes that cannot be in all three splits."""
    counts = target.class_counts()
    if len(counts) == 1:
        only = shown(target.classes[0])
        raise Refused(RefusalKind.ONE_CLASS, f"Every row has the same {shown(target.name)}: {only}. Two are needed.")
    if len(counts) > _MOST_CLASSES:
        raise Refused(
            RefusalKind.BAD_TARGET, f"{shown(target.name)} has {len(counts)} classes; {_MOST_CLASSES} are the most."
        )
    rare = [name for name, count in counts.items() if count < FEWEST_PER_CLASS]
    if rare:
        raise Refused(
            RefusalKind.TOO_FEW_ROWS,
            f"{len(rare)} of {len(counts)} classes of {shown(target.name)} have fewer than {FEWEST_PER_CLASS} rows, so "
            f"they cannot be in training, validation and test: {listing(rare)}. Merge or remove them; if the column is "
            "a quantity, say #task=regression.",
        )


def _no_column(table: Table, wanted: str) -> Refused:
    names = nearest_first(wanted, [c.name for c in table.columns])
    message = f"There is no column {shown(wanted)}. The columns are {listing(names, limit=10)}."
    if all(looks_like_number(name) for name in names):
        message = f"The file seems to have no header, its first line holds only numbers. {message}"
    return Refused(RefusalKind.NO_TARGET_COLUMN, message)


def _read(column: Cells, said: Task | None) -> Target:
    if isinstance(column, TextCells):
        return _from_text(column, said)
    whole = bool(np.all(column.values == np.round(column.values)))
    distinct = np.unique(column.values)
    if said is Task.REGRESSION or (said is None and not whole):
        return _quantity(column)
    if said is None and len(distinct) > _MOST_INTEGER_CLASSES:
        raise Refused(
            RefusalKind.AMBIGUOUS_TASK,
            f"The target {shown(column.name)} holds {len(distinct)} different whole numbers: they may be classes or a "
            "quantity. Say which: #task=classification or #task=regression.",
        )
    return _classes(column, distinct, () if said else (_counts_as_classes(column.name, len(distinct)),))


def _counts_as_classes(name: str, count: int) -> str:
    return f"The {count} whole numbers in {shown(name)} are read as classes; #task=regression reads them as a quantity."


def _classes(column: NumberCells, distinct: Floats, notes: tuple[str, ...]) -> Target:
    names = tuple(_number_name(value) for value in distinct.tolist())
    indices = np.searchsorted(distinct, column.values).astype(np.int64)
    return Target(column.name, Task.CLASSIFICATION, indices, names, notes)


def _number_name(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _from_text(column: TextCells, said: Task | None) -> Target:
    used = np.unique(column.codes)
    texts = used[np.isnan(column.numbers[used])]
    numbers = column.numbers[used]
    mostly_numbers = np.isnan(numbers).sum() * 2 < len(used) and len(used) > _MOST_INTEGER_CLASSES
    if said is Task.REGRESSION or (said is None and mostly_numbers):
        row = int(np.flatnonzero(np.isin(column.codes, texts))[0]) + 1
        raise Refused(
            RefusalKind.BAD_TARGET,
            f"The target {shown(column.name)} holds numbers or is to be a quantity, but {len(texts)} of its values are "
            f"not numbers: the first is {shown(column.values[column.codes[row - 1]])} (row {row} of those with a "
            "target). Correct or empty those cells, or say #task=classification.",
        )
    names = sorted(column.values[code] for code in used)
    place = {name: index for index, name in enumerate(names)}
    lookup = np.array([place.get(value, -1) for value in column.values], dtype=np.int64)
    return Target(column.name, Task.CLASSIFICATION, lookup[column.codes], tuple(names))


def _quantity(column: NumberCells) -> Target:
    values = column.values
    if values.min() == values.max():
        raise Refused(
            RefusalKind.BAD_TARGET, f"Every row has the same {shown(column.name)}, so there is nothing to predict."
        )
    if np.abs(values).max() > np.finfo(np.float32).max / 1e3:
        raise Refused(
            RefusalKind.BAD_TARGET,
            f"The target {shown(column.name)} has values too large for 32-bit floats. Use other units or a logarithm.",
        )
    return Target(column.name, Task.REGRESSION, values)


def quantile_bins(values: NDArray[np.float64], per_bin: int = 5, most: int = 10) -> Rows:
    """N bin indices of nearly equal counts, in the order of the values; ties are broken by position."""
    bins = max(1, min(most, len(values) // per_bin))
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks * bins // len(values)
