"""Each kind of source, loaded to learn from: features, targets, and how its rows belong together."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fumehood_runner.prepare import (
    builtin,
    csvfile,
    image_folder,
    image_sets,
    jsonlfile,
    npzfile,
    parquetfile,
    placement,
    target,
)
from fumehood_runner.prepare.cells import Rows, Table
from fumehood_runner.prepare.features import Features
from fumehood_runner.prepare.placement import Placement
from fumehood_runner.prepare.refusals import Refused, listing, shown
from fumehood_runner.prepare.target import Target
from fumehood_runner.prepare.texts import Texts
from fumehood_shared import paths
from fumehood_shared.messages import (
    BuiltinSource,
    CsvSource,
    ImageFolderSource,
    ImageSetSource,
    JsonlSource,
    NpzSource,
    ParquetSource,
    RefusalKind,
    RowsSource,
    Source,
)


@dataclass(frozen=True)
class Loaded:
    """Rows that have a target, in the order of the source."""

    features: Features
    target: Target
    placement: Placement | None = None
    """None: rows have nothing to do with each other."""
    dropped: int = 0
    """Rows without a target."""
    notes: tuple[str, ...] = ()

    def pick(self, rows: Rows) -> "Loaded":
        return replace(
            self,
            features=self.features.pick(rows),
            target=self.target.pick(rows),
            placement=self.placement.pick(rows) if self.placement else None,
        )


def load(source: Source, raw: Path) -> Loaded:
    """What ``source`` names; its files lie in the folder ``raw``."""
    match source:
        case BuiltinSource():
            return Loaded(*builtin.load(source.name))
        case ImageSetSource():
            return Loaded(*image_sets.load(source, raw))
        case ImageFolderSource():
            features, found, own, notes = image_folder.load(source, raw)
            return Loaded(features, found, own, notes=notes)
        case CsvSource():
            return _rows(csvfile.read_csv(raw / paths.CSV), source)
        case ParquetSource():
            return _rows(parquetfile.read_parquet(raw / paths.PARQUET), source)
        case JsonlSource():
            return _texts(source, raw / paths.JSONL)
        case NpzSource():
            return _arrays(source, raw / paths.NPZ)


def _rows(table: Table, source: RowsSource) -> Loaded:
    others, found, kept = target.separate(table, source.target, source.task)
    placed = placement.from_columns(others, source)
    return Loaded(placement.without_columns(others, source), found, placed, table.rows - len(kept))


# ---- lines of JSON -------------------------------------------------------------------------------------------------


def _texts(source: JsonlSource, path: Path) -> Loaded:
    keys = dict.fromkeys(key for key in (source.target, source.group, source.time) if key is not None)
    lines = jsonlfile.read_jsonl(path, source.text, list(keys))
    others, found, kept = target.separate(lines.table, source.target, source.task)
    texts = Texts(source.text, lines.texts, source.length).pick(kept)
    return Loaded(texts, found, placement.from_columns(others, source), lines.table.rows - len(kept))


# ---- arrays --------------------------------------------------------------------------------------------------------


def _arrays(source: NpzSource, path: Path) -> Loaded:
    with npzfile.open_npz(path) as archive:
        pairs = _pairs(source, archive.names)
        inputs = [archive.read(name) for name, _ in pairs]
        targets = [archive.read(name) for _, name in pairs]
    for array, answers, names in zip(inputs, targets, pairs, strict=True):
        _expect_same_rows(array, answers, names)
    name, answer_name = pairs[0]
    features, notes = npzfile.features(_joined(inputs, name), name)
    column = npzfile.column(_joined(targets, answer_name), answer_name)
    _, found, kept = target.separate(Table((column,), features.rows), answer_name, source.task)
    placed = placement.with_own_test(*map(len, inputs)).pick(kept) if len(pairs) > 1 else None
    return Loaded(features.pick(kept), found, placed, features.rows - len(kept), notes)


def _pairs(source: NpzSource, names: list[str]) -> list[tuple[str, str]]:
    """Names of inputs and targets: one pair, or those of training and of test rows."""
    if source.inputs is None and source.target is None:
        for x_train, y_train, x_test, y_test in npzfile.OWN_TEST:
            if {x_train, y_train, x_test, y_test} <= set(names):
                return [(x_train, y_train), (x_test, y_test)]
    for inputs, targets in npzfile.PAIRS:
        pair = (source.inputs or inputs, source.target or targets)
        if set(pair) <= set(names):
            return [pair]
    named = [name for name in (source.inputs, source.target) if name is not None and name not in names]
    what = f"There is no array {listing(named)}" if named else "Which arrays are inputs and targets is not clear"
    raise Refused(
        RefusalKind.WRONG_COLUMNS,
        f"{what}. The arrays are {listing(names)}; inputs and targets, x and y, or x_train, y_train, x_test and y_test "
        "are found by themselves, others are named by #inputs= and #target=.",
    )


def _expect_same_rows(inputs: npzfile.Array, targets: npzfile.Array, names: tuple[str, str]) -> None:
    if not (inputs.ndim and targets.ndim):
        raise Refused(RefusalKind.WRONG_COLUMNS, f"{listing(names)} are single values and not arrays of rows.")
    if len(inputs) != len(targets):
        raise Refused(
            RefusalKind.WRONG_COLUMNS,
            f"Array {shown(names[0])} has {len(inputs)} rows and {shown(names[1])} has {len(targets)}: each row of "
            "inputs needs one target.",
        )


def _joined(arrays: list[npzfile.Array], name: str) -> npzfile.Array:
    if len({array.shape[1:] for array in arrays}) > 1 or len({array.dtype.kind for array in arrays}) > 1:
        shapes = " and ".join(f"{array.shape} of {array.dtype}" for array in arrays)
        raise Refused(RefusalKind.WRONG_COLUMNS, f"{shown(name)} and its test rows do not fit together: {shapes}.")
    return np.concatenate(arrays) if len(arrays) > 1 else arrays[0]
