"""How the rows of a source belong together: by group, by time, or by splits that the data set brings.

The column that says so is not a feature. Nothing here decides which row goes where; that is ``split``.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from fumehood_runner.prepare.cells import Cells, Rows, Table, TextCells
from fumehood_runner.prepare.refusals import Refused, listing, nearest_first, shown
from fumehood_shared.messages import RefusalKind, RowsSource

SPLITS = ("train", "validation", "test")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Groups:
    """N group numbers from 0; rows of one group stay in one split."""

    name: str
    codes: Rows

    def pick(self, rows: Rows) -> "Groups":
        return replace(self, codes=np.unique(self.codes[rows], return_inverse=True)[1])


@dataclass(frozen=True)
class Times:
    """N numbers that only their order is used of; equal ones stay in one split."""

    name: str
    values: NDArray[np.float64] | Rows

    def pick(self, rows: Rows) -> "Times":
        return replace(self, values=self.values[rows])


@dataclass(frozen=True)
class OwnSplits:
    """N indices into ``SPLITS``: where the data set itself has each row. Training rows there always are."""

    parts: NDArray[np.int8]

    def pick(self, rows: Rows) -> "OwnSplits":
        return OwnSplits(self.parts[rows])


def with_own_test(train: int, test: int) -> OwnSplits:
    """So many training rows, and behind them so many test rows."""
    return OwnSplits(np.repeat(np.array([SPLITS.index("train"), SPLITS.index("test")], np.int8), [train, test]))


Placement = Groups | Times | OwnSplits


def from_columns(table: Table, source: RowsSource) -> Placement | None:
    """What ``source`` says of ``table``, of which every row is to be placed; None where rows are free."""
    if source.group is not None:
        return _groups(_column(table, source.group, "group"))
    if source.time is not None:
        return _times(_column(table, source.time, "time"))
    return None


def without_columns(table: Table, source: RowsSource) -> Table:
    """``table`` without the columns that place rows, where it has them."""
    for name in (source.group, source.time):
        table = table if name is None else table.without(name)
    return table


def _column(table: Table, name: str, option: str) -> Cells:
    column = table.column(name)
    if column is None:
        names = nearest_first(name, [c.name for c in table.columns])
        raise Refused(
            RefusalKind.WRONG_COLUMNS,
            f"There is no column {shown(name)} to split by (#{option}=). The columns are {listing(names, limit=10)}.",
        )
    if column.missing.any():
        row = int(np.flatnonzero(column.missing)[0]) + 1
        raise Refused(
            RefusalKind.WRONG_COLUMNS,
            f"{int(column.missing.sum())} of {table.rows} rows with a target have no value in {shown(name)}, which the "
            f"split goes by: the first is row {row} of them. Fill them in or remove those rows.",
        )
    return column


def _groups(column: Cells) -> Groups:
    keys = column.codes if isinstance(column, TextCells) else column.values
    return Groups(column.name, np.unique(keys, return_inverse=True)[1].astype(np.int64))


def _times(column: Cells) -> Times:
    if not isinstance(column, TextCells):
        return Times(column.name, column.values)
    used = np.unique(column.codes)
    moments = np.zeros(len(column.values), dtype=np.int64)
    zoned: dict[bool, str] = {}
    for code in used.tolist():
        moment = _moment(column.values[code], column.name)
        zoned.setdefault(moment.tzinfo is not None, column.values[code])
        in_utc = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        since = in_utc - _EPOCH
        moments[code] = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    if len(zoned) > 1:
        raise Refused(
            RefusalKind.WRONG_COLUMNS,
            f"Some times in {shown(column.name)} have a zone ({shown(zoned[True])}) and some have none "
            f"({shown(zoned[False])}), so their order is not known. Write all of them in one way.",
        )
    return Times(column.name, moments[column.codes])


def _moment(text: str, name: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(
            RefusalKind.WRONG_COLUMNS,
            f"{shown(text)} in {shown(name)} is neither a number nor an ISO date such as 2024-05-17 or "
            "2024-05-17T08:30:00, so rows cannot be ordered by it.",
        ) from error
