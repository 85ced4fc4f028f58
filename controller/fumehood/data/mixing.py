"""The rows that a predict room is asked, of which it cannot tell what each is for.

All rows of the split, which are scored; some of them a second time, whose answers must be the same; and those once
more with every number changed a little, whose answers must not collapse. All in one secret order, in one file. Passes
of their own would show by their length which one is scored, and share a user and a volume with each other; here no
process, batch or place tells anything. What a candidate can tell is that two rows are equal or nearly so, never which
of them is scored. Which rows, orders and changes there are depends on the key of the run alone.

A column that takes at most two values (a category, a mark, an edge of an image that is always empty) is left alone, and
so is a value that at least half of the training rows share (nothing, background): near it lies no other real one.
Tokens are names and not amounts: none of theirs is near another, so they are asked twice and never changed.
"""

import hashlib
import hmac
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fumehood.data import order
from fumehood.data.order import Order, Scalar
from fumehood_shared.messages import ArraySpec

AGAIN: Final = 256
"""Rows that are asked more than once, of each split; all where there are fewer."""
CHANGE: Final = 5e-3
"""By how much a number is changed, up or down: this part of its column's standard deviation."""
_SPREAD_NUMBERS: Final = 4_000_000
_SPREAD_ROWS: Final = (64, 1000)


@dataclass(frozen=True)
class Spread:
    """Of the columns of training rows: ``step`` is what a number is changed by, 0 where it is left alone; both F."""

    step: NDArray[np.float32]
    common: NDArray[np.float32]
    """The value that half of the rows share, which is left alone; NaN where there is none."""

    @staticmethod
    def of(source: Path, spec: ArraySpec, key: bytes) -> "Spread | None":
        """From a sample of the rows in ``source``; None where no number of them may be changed."""
        if spec.dtype != "float32" or spec.nbytes == 0:
            return None
        n, *rest = spec.shape
        few, many = _SPREAD_ROWS
        picked = np.sort(order.permutation(key, "spread", n)[: max(few, min(many, _SPREAD_NUMBERS // math.prod(rest)))])
        rows = np.concatenate(
            [block.reshape(len(block), -1) for block in map(np.copy, order.blocks(source, spec, picked))]
        )
        middle = np.quantile(rows, 0.5, axis=0, method="lower").astype(np.float32)
        shared = (rows == middle).mean(axis=0) >= 0.5
        two_values = ((rows == rows.min(axis=0)) | (rows == rows.max(axis=0))).all(axis=0)
        step = np.where(two_values, 0.0, CHANGE * rows.std(axis=0, dtype=np.float64)).astype(np.float32)
        return Spread(step, np.where(shared, middle, np.nan).astype(np.float32)) if step.any() else None


@dataclass(frozen=True)
class Mixed:
    """What stands where among the rows that a room sees; made by ``mix``."""

    rows: int
    """Rows of the split."""
    again: Order
    """Those that are asked twice, and changed."""
    changed: NDArray[np.bool_]
    """Which of the changed copies of ``again`` differ from it in a number at least; empty where there are no copies."""
    order: Order
    """Place in the room -> place in: the rows, ``again``, and the changed copies of ``again``, if there are any."""

    def scored(self, answers: NDArray[Scalar]) -> NDArray[Scalar]:
        """The room's answers to the rows of the split, in its own order."""
        return self._sorted(answers)[: self.rows]

    def second(self, answers: NDArray[Scalar]) -> NDArray[Scalar]:
        """Those to the rows ``again``."""
        return self._sorted(answers)[self.rows : self.rows + len(self.again)]

    def shaken(self, answers: NDArray[Scalar]) -> NDArray[Scalar]:
        """Those to the changed copies of ``again[changed]``."""
        return self._sorted(answers)[self.rows + len(self.again) :][self.changed]

    def _sorted(self, answers: NDArray[Scalar]) -> NDArray[Scalar]:
        return order.unpermute(answers, self.order)


def mix(source: Path, target: Path, spec: ArraySpec, spread: Spread | None, key: bytes, purpose: str) -> Mixed:
    """Write the rows of ``source`` and the copies of some of them to the new file ``target`` (mode 0600)."""
    n = spec.shape[0]
    again = order.permutation(key, f"{purpose} again", n)[:AGAIN]
    parts = [np.arange(n, dtype=np.int64), again, *([again] if spread else [])]
    origin = np.concatenate(parts)
    places = order.permutation(key, purpose, len(origin))
    changed = np.zeros(len(again) if spread else 0, dtype=bool)
    start = 0
    with open(target, "xb", opener=_private) as file:
        for block in order.blocks(source, spec, origin[places]):
            here = places[start : start + len(block)]
            start += len(block)
            if spread:
                for k in np.flatnonzero(here >= n + len(again)):
                    which = int(here[k]) - n - len(again)
                    seed = hmac.digest(key, f"{purpose} change {which}".encode(), "sha256")
                    changed[which] = _shake(block[k].reshape(-1), spread, seed)
            file.write(block.data)
    return Mixed(n, again, changed, places)


def _shake(row: NDArray[np.float32], spread: Spread, seed: bytes) -> bool:
    """Change the numbers of ``row``, each up or down as ``seed`` says; whether any of them is another now."""
    bits = np.frombuffer(hashlib.shake_256(seed).digest(-(-row.size // 8)), dtype=np.uint8)
    signs = np.unpackbits(bits, count=row.size).astype(np.float32) * 2 - 1
    moved = np.where(row == spread.common, row, row + signs * spread.step)
    differs = bool((moved != row).any())
    row[:] = moved
    return differs


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
