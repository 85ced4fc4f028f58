"""How rows become vectors: fitted on training rows only, then applied to any rows, a block at a time.

A number column is filled with the training median and standardised; a 0/1 column "was missing" follows it if a
training row misses it. A text column becomes one column per value that training rows have, at most 100; a value they
do not have, and a missing one, is all zeros. Whether a column is read as numbers or as text is decided by the
training rows too: no cell of a validation or test row can change an encoding. True and false are text like any other.

Dropped with a note: columns constant over the training rows, columns nearly every value of which is different (ids,
dates, free text), numbers that count the rows, and numbers too large to standardise.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fumehood_runner.prepare.cells import Cells, Floats, NumberCells, Rows, Table, TextCells
from fumehood_runner.prepare.images import Pixels
from fumehood_runner.prepare.refusals import Refused, fitting, listing, shown
from fumehood_shared.messages import CategoryColumn, Column, ImageEncoding, NumberColumn, RefusalKind, TabularEncoding

Block = NDArray[np.float32]

_BLOCK_VALUES = 1 << 22
_MOST_VALUES = 100
_DISTINCT_SHARE = 0.5
_LONGEST_VALUE = 1000
_STD_FLOOR = 1e-6
_LARGEST = float(np.finfo(np.float32).max)


@dataclass
class Notes:
    """Remarks about columns, collected by reason, so that a table of a thousand columns does not make as many."""

    by_reason: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, column: str) -> None:
        self.by_reason.setdefault(reason, []).append(column)

    def sentences(self) -> tuple[str, ...]:
        return tuple(fitting(f"{reason}: {listing(names)}.") for reason, names in self.by_reason.items())


# ---- fitting -------------------------------------------------------------------------------------------------------


def fit_table(table: Table, train: Rows) -> tuple[TabularEncoding, tuple[str, ...]]:
    """The encoding of ``table`` fitted on its rows ``train``, and notes about columns."""
    notes = Notes()
    fitted = [column for cells in table.columns if (column := _fit(cells, train, notes)) is not None]
    if not fitted:
        reasons = " ".join(notes.sentences()) or "The target is its only column."
        raise Refused(RefusalKind.NO_FEATURES, f"No column is left to predict from. {reasons}")
    return TabularEncoding(columns=tuple(fitted)), notes.sentences()


def _fit(cells: Cells, train: Rows, notes: Notes) -> Column | None:
    picked = cells.pick(train)
    if picked.missing.all():
        notes.add("Dropped, as no training row has a value", cells.name)
        return None
    numbers = numbers_of(picked)
    if isinstance(picked, TextCells) and (np.isnan(numbers[~picked.missing]).any()):
        return _fit_text(picked, notes)
    return _fit_numbers(cells.name, numbers, train, notes)


@np.errstate(over="ignore", invalid="ignore")
def _fit_numbers(name: str, values: Floats, train: Rows, notes: Notes) -> NumberColumn | None:
    missing = np.isnan(values)
    indicator = bool(missing.any())
    if not indicator and np.array_equal(values - values[0], train - train[0]):
        notes.add("Dropped, as the values only count the rows", name)
        return None
    fill = float(np.median(values[~missing]))
    filled = np.where(missing, fill, values)
    constant = filled.min() == filled.max()
    if constant and not indicator:
        notes.add("Dropped, as it is constant over the training rows", name)
        return None
    mean, std = float(filled.mean()), float(filled.std())
    if constant:  # only the indicator tells rows apart, and the value column stays at zero
        mean, std = fill, 1.0
    if not (np.isfinite([fill, mean, std]).all() and std > 0):
        notes.add("Dropped, as its numbers are too large or too close together to standardise", name)
        return None
    return NumberColumn(name=name, fill=fill, mean=mean, std=std, indicator=indicator)


def _fit_text(cells: TextCells, notes: Notes) -> CategoryColumn | None:
    present = cells.codes[~cells.missing]
    codes, counts = np.unique(present, return_counts=True)
    by_count = sorted(zip((-counts).tolist(), [cells.values[c] for c in codes], strict=True))
    if len(codes) == 1 and not cells.missing.any():
        notes.add("Dropped, as it is constant over the training rows", cells.name)
        return None
    if len(codes) > max(2, _DISTINCT_SHARE * len(present)) or max(len(v) for _, v in by_count) > _LONGEST_VALUE:
        notes.add("Dropped, as nearly every value is different or very long (ids, dates, free text)", cells.name)
        return None
    if len(codes) > _MOST_VALUES:
        notes.add(f"Only the {_MOST_VALUES} most frequent values are used", cells.name)
    if (stray := int(np.isfinite(cells.numbers[present]).sum())) * 2 > len(present):
        odd = next(v for _, v in by_count if np.isnan(cells.numbers[cells.values.index(v)]))
        notes.add(
            f"Read as text, though {stray} of {len(present)} training cells are numbers, for {shown(odd)}", cells.name
        )
    return CategoryColumn(name=cells.name, values=tuple(sorted(value for _, value in by_count[:_MOST_VALUES])))


def fit_images(images: Pixels, train: Rows) -> ImageEncoding:
    """Per-channel mean and std over the training images, N x C x H x W; as floats only a block is in memory."""
    _, channels, height, width = images.shape
    blocks = list(_blocks(train, channels * height * width))
    pixels = len(train) * height * width
    mean = sum(images[block].sum(axis=(0, 2, 3), dtype=np.float64) for block in blocks) / pixels
    spread = sum(np.square(images[block] - mean.reshape(-1, 1, 1)).sum(axis=(0, 2, 3)) for block in blocks)
    std = np.maximum(np.sqrt(spread / pixels), _STD_FLOOR)
    return ImageEncoding(shape=(channels, height, width), mean=tuple(mean.tolist()), std=tuple(std.tolist()))


# ---- applying ------------------------------------------------------------------------------------------------------


def width(encoding: TabularEncoding) -> int:
    """Length of an encoded row."""
    return sum(_width(column) for column in encoding.columns) + encoding.zeros


def table_blocks(encoding: TabularEncoding, table: Table, rows: Rows) -> Iterator[Block]:
    """Encoded ``rows``, in their order, in blocks of B x F. The table has every column of the encoding."""
    by_name = {cells.name: cells for cells in table.columns}
    for block in _blocks(rows, width(encoding)):
        parts = [_encode(column, by_name[column.name].pick(block)) for column in encoding.columns]
        zeros = np.zeros((len(block), encoding.zeros), dtype=np.float32)
        yield np.concatenate([*parts, zeros], axis=1)


def image_blocks(encoding: ImageEncoding, images: Pixels, rows: Rows) -> Iterator[Block]:
    """Encoded ``rows`` of ``images`` (N x C x H x W), in blocks of B x C x H x W."""
    mean = np.array(encoding.mean).reshape(-1, 1, 1)
    std = np.array(encoding.std).reshape(-1, 1, 1)
    for block in _blocks(rows, int(np.prod(encoding.shape))):
        yield _to_float32((images[block] - mean) / std)


def odd_cells(encoding: TabularEncoding, table: Table) -> tuple[str, ...]:
    """Notes about cells of ``table`` that the encoding has no use for."""
    notes = Notes()
    by_name = {cells.name: cells for cells in table.columns}
    for column in encoding.columns:
        reason = _odd(column, by_name[column.name])
        if reason:
            notes.add(reason, column.name)
    return notes.sentences()


def _odd(column: Column, cells: Cells) -> str:
    if isinstance(cells, NumberCells):
        return "Infinite values count as missing" if cells.infinite else ""
    if isinstance(column, NumberColumn):
        odd = np.isnan(cells.as_numbers()) & ~cells.missing
        return "Cells that are not finite numbers count as missing" if odd.any() else ""
    odd = (_indices(column, cells) < 0) & ~cells.missing
    return "Values that are not among the encoded ones count as none of them" if odd.any() else ""


def numbers_of(cells: Cells) -> Floats:
    """N numbers; NaN where a cell is missing or no number."""
    return cells.values if isinstance(cells, NumberCells) else cells.as_numbers()


def _width(column: Column) -> int:
    return 1 + column.indicator if isinstance(column, NumberColumn) else len(column.values)


def _blocks(rows: Rows, row_width: int) -> Iterator[Rows]:
    step = max(1, _BLOCK_VALUES // row_width)
    return (rows[start : start + step] for start in range(0, len(rows), step))


def _encode(column: Column, cells: Cells) -> Block:
    if isinstance(column, NumberColumn):
        return _encode_numbers(column, cells)
    if not isinstance(cells, TextCells):
        raise TypeError(f"column {column.name!r} has categories and was read as numbers")
    return _encode_text(column, cells)


def _encode_numbers(column: NumberColumn, cells: Cells) -> Block:
    values = numbers_of(cells)
    missing = np.isnan(values)
    with np.errstate(over="ignore"):
        scaled = _to_float32((np.where(missing, column.fill, values) - column.mean) / column.std)
    parts = [scaled, missing.astype(np.float32)] if column.indicator else [scaled]
    return np.stack(parts, axis=1)


def _encode_text(column: CategoryColumn, cells: TextCells) -> Block:
    indices = _indices(column, cells)
    hot = np.zeros((len(indices), len(column.values)), dtype=np.float32)
    known = np.flatnonzero(indices >= 0)
    hot[known, indices[known]] = 1.0
    return hot


def _indices(column: CategoryColumn, cells: TextCells) -> Rows:
    """N indices into the column's values; -1 where a cell is missing or holds another value."""
    place = {value: index for index, value in enumerate(column.values)}
    return np.array([*(place.get(value, -1) for value in cells.values), -1], dtype=np.int64)[cells.codes]


def _to_float32(values: Floats) -> Block:
    """Finite values of the wire's type; 0.0 is added so that no -0.0 makes equal rows differ in their bytes."""
    return (np.clip(values, -_LARGEST, _LARGEST) + 0.0).astype(np.float32)
