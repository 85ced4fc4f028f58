"""How alike two data sets are, and what kind of data a set is: from fingerprints, without a value of either. Pure."""

import math
from dataclasses import dataclass
from typing import Final

from fumehood.records import Dataset
from fumehood.records.insight import DataFingerprint
from fumehood_shared.messages import Landmarks

_SIZES: Final = ((500, "fewer than 500"), (5_000, "500 to 5,000"), (20_000, "5,000 to 20,000"))
_MANY: Final = "more than 20,000"


@dataclass(frozen=True)
class _Weights:
    """Of the parts of a similarity; their sum is 0.9, and the rest is for the same source."""

    task: float
    rows: float
    inputs: float
    outputs: float
    landmarks: float = 0.0


_SHAPES: Final = _Weights(task=0.35, rows=0.2, inputs=0.2, outputs=0.15)
_LANDMARKS: Final = _Weights(task=0.2, rows=0.1, inputs=0.1, outputs=0.1, landmarks=0.4)
_OTHER_TASK: Final = 0.1


def fingerprint(dataset: Dataset) -> DataFingerprint:
    return DataFingerprint(
        spec=dataset.spec[:500],
        task=dataset.task.value,
        input_kind=dataset.input_kind.value,
        input_shape=dataset.input_shape,
        num_outputs=dataset.num_outputs,
        rows=dataset.rows("train"),
        source_digest=dataset.source_digest,
        landmarks=dataset.facts.landmarks,
    )


def kind_of_data(data: DataFingerprint) -> str:
    """In words: ``tabular classification into 2 classes with fewer than 500 rows``. Equal for data of one kind."""
    rows = next((words for bound, words in _SIZES if data.rows < bound), _MANY)
    outputs = f" into {'2' if data.num_outputs == 2 else 'several'} classes" if data.task == "classification" else ""
    return f"{data.input_kind} {data.task}{outputs} with {rows} rows"


def similarity(one: DataFingerprint, other: DataFingerprint) -> float:
    """Between 0 and 1. 1: the same source. Data of another input kind share next to nothing.

    Shapes say little of what is to be learned; where both sets have landmarks, these have the most to say.
    """
    if one.source_digest == other.source_digest:
        return 1.0 if one.rows == other.rows else 0.95
    if one.input_kind != other.input_kind:
        return 0.05 if one.task == other.task else 0.0
    weights = _SHAPES if one.landmarks is None or other.landmarks is None else _LANDMARKS
    rows, inputs = _near(one.rows, other.rows), _near(math.prod(one.input_shape), math.prod(other.input_shape))
    alike = weights.rows * rows + weights.inputs * inputs
    if one.task != other.task:
        return alike + _OTHER_TASK
    landmarks = _near_landmarks(one.landmarks, other.landmarks)
    return alike + weights.task + weights.outputs * _near(one.num_outputs, other.num_outputs) + landmarks


def _near_landmarks(one: Landmarks | None, other: Landmarks | None) -> float:
    """Its share in a similarity: all of it where simple models get equally far, nothing where half of it is between."""
    if one is None or other is None:
        return 0.0
    apart = max(abs(one.linear - other.linear), abs(one.smooth - other.smooth))
    return _LANDMARKS.landmarks * max(0.0, 1 - 2 * apart)


def _near(one: int, other: int) -> float:
    """1 for equal counts, 0 where one is a hundred times the other or more."""
    return max(0.0, 1 - abs(math.log(max(one, 1) / max(other, 1))) / math.log(100))
