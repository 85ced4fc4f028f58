"""How alike two data sets are, and what kind of data a set is: from fingerprints, without a value of either. Pure."""

import math
from typing import Final

from fumehood.records import Dataset
from fumehood.records.insight import DataFingerprint

_SIZES: Final = ((500, "fewer than 500"), (5_000, "500 to 5,000"), (20_000, "5,000 to 20,000"))
_MANY: Final = "more than 20,000"


def fingerprint(dataset: Dataset) -> DataFingerprint:
    return DataFingerprint(
        spec=dataset.spec[:500],
        task=dataset.task.value,
        input_kind=dataset.input_kind.value,
        input_shape=dataset.input_shape,
        num_outputs=dataset.num_outputs,
        rows=dataset.rows("train"),
        source_digest=dataset.source_digest,
    )


def kind_of_data(data: DataFingerprint) -> str:
    """In words: ``tabular classification into 2 classes with fewer than 500 rows``. Equal for data of one kind."""
    rows = next((words for bound, words in _SIZES if data.rows < bound), _MANY)
    outputs = f" into {'2' if data.num_outputs == 2 else 'several'} classes" if data.task == "classification" else ""
    return f"{data.input_kind} {data.task}{outputs} with {rows} rows"


def similarity(one: DataFingerprint, other: DataFingerprint) -> float:
    """Between 0 and 1. 1: the same source. Data of another input kind share next to nothing."""
    if one.source_digest == other.source_digest:
        return 1.0 if one.rows == other.rows else 0.95
    if one.input_kind != other.input_kind:
        return 0.05 if one.task == other.task else 0.0
    alike = 0.35 if one.task == other.task else 0.1
    alike += 0.2 * _near(one.rows, other.rows)
    alike += 0.2 * _near(math.prod(one.input_shape), math.prod(other.input_shape))
    return alike + (0.15 * _near(one.num_outputs, other.num_outputs) if one.task == other.task else 0.0)


def _near(one: int, other: int) -> float:
    """1 for equal counts, 0 where one is a hundred times the other or more."""
    return max(0.0, 1 - abs(math.log(max(one, 1) / max(other, 1))) / math.log(100))
