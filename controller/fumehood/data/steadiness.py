"""Whether predictions are answers to rows: the same in any batch, and about the same for about the same row. Pure.

No label is needed, so a sealed split can be looked at before its seal is opened. Both questions are asked of answers
that a candidate gave without knowing which rows are copies of which (``data.mixing``).

- *Inconsistent*: a row asked twice must get the same answer. How many rows share a batch decides about the last digits,
  which is rounding; one row in a hundred may lie where rounding decides (a hard choice inside the model).
- *Unstable*: a row changed by a two-hundredth of its columns' spread must mostly keep its class (or its value, within a
  tenth of the spread of all values). An exact binomial test asks whether more than ``PERMITTED`` of all rows would
  change, at level ``LEVEL``; so it takes 5 rows of 30, or 11 of 256, and a model that is merely sensitive is not
  rejected. It does not see a table whose keys are coarser than the change, nor one that serves few rows.
"""

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc

from fumehood.records import SecondLook
from fumehood_shared.messages import Failure, FailureKind, Task

PERMITTED: Final = 0.01
LEVEL: Final = 1e-4
_ROUNDING: Final = {"cpu": 1e-3, "cuda": 2e-2}
"""Of the spread of all answers. On a GPU a model may compute in bfloat16, which keeps three digits."""
_RELATIVE: Final = 1e-5
"""Of the largest answer: what is left of float32 where large numbers are added."""
_EXCEPTIONS: Final = 0.01
_VALUE_MOVED: Final = 0.1

_Answers = NDArray[np.float32]


def look(
    first: _Answers, second: _Answers, before: _Answers, after: _Answers, task: Task, device: Literal["cpu", "cuda"]
) -> SecondLook:
    """Compare ``first`` with ``second``, answers to equal rows, and ``before`` with ``after`` a change; each K x C."""
    apart = _apart(first, second)
    tolerance = rounding(first, device)
    flipped = _flipped(before, after, task) & (_apart(before, after) > rounding(first, device))
    return SecondLook(
        repeated=len(first),
        disagreeing=int((apart > tolerance).sum()),
        largest=float(apart.max(initial=0.0)),
        shaken=len(before),
        flipped=int(flipped.sum()),
    )


def rounding(answers: _Answers, device: Literal["cpu", "cuda"]) -> float:
    """The largest difference of two answers to one row that rounding explains, in their own units."""
    wide = answers.astype(np.float64)
    return float(_ROUNDING[device] * _spread(wide) + _RELATIVE * np.abs(wide).max(initial=0.0))


def failure(found: SecondLook) -> Failure | None:
    """Why predictions that look so are not accepted, or None."""
    if found.disagreeing > max(1, _EXCEPTIONS * found.repeated):
        return Failure(
            kind=FailureKind.INCONSISTENT,
            message=f"{found.disagreeing} of {found.repeated} rows that were asked twice got two answers, up to "
            f"{found.largest:.3g} apart: predictions have to depend on their own row alone, not on the rows beside it, "
            "on their order or on chance; look for dropout that is on, a BatchNorm in training mode, or anything kept "
            "from batch to batch",
        )
    if found.flipped and bdtrc(found.flipped - 1, found.shaken, PERMITTED) < LEVEL:
        return Failure(
            kind=FailureKind.UNSTABLE,
            message=f"{found.flipped} of {found.shaken} answers changed when the numbers of their rows changed by a "
            "two-hundredth of a standard deviation, as they do where known inputs are looked up in a table; predict "
            "from what a row says, without exact comparisons of inputs",
        )
    return None


def _apart(one: _Answers, other: _Answers) -> NDArray[np.float64]:
    difference: NDArray[np.float64] = np.abs(one.astype(np.float64) - other.astype(np.float64)).max(axis=1)
    return difference


def _spread(answers: NDArray[np.float64]) -> float:
    return float(answers.std(axis=0).max(initial=0.0)) if len(answers) else 0.0


def _flipped(before: _Answers, after: _Answers, task: Task) -> NDArray[np.bool_]:
    if task is Task.CLASSIFICATION:
        return np.asarray(before.argmax(axis=1) != after.argmax(axis=1))
    spread = before.astype(np.float64).std(axis=0) if len(before) else 0.0
    moved = np.abs(before.astype(np.float64) - after.astype(np.float64))
    return np.asarray((moved > _VALUE_MOVED * spread).any(axis=1))
