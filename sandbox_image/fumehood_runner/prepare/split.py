"""Which rows are for training, validation and test: stratified, and the same on every machine.

A row's place depends on the split seed, on its stratum (its class, or the decile of a regression target) and on its
position. Each stratum gives every split its share, at least one row each where it has three. The random order is
read from SHAKE-256 (FIPS 202), whose output is fixed by its definition, so neither the platform nor the version of a
library moves a row; all other arithmetic is on integers. The rows of a split keep the order of the file.
"""

import hashlib
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fumehood_runner.prepare.cells import Rows
from fumehood_runner.prepare.refusals import Refused
from fumehood_shared.messages import RefusalKind

SPLITS = ("train", "validation", "test")
_PER_STRATUM = 3


@dataclass(frozen=True)
class Split:
    """Sorted row indices of the three splits; disjoint, and together all rows."""

    train: Rows
    validation: Rows
    test: Rows

    def rows(self, name: str) -> Rows:
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]


def split(strata: Rows, seed: int, validation_fraction: float, test_fraction: float) -> Split:
    """Split N rows. ``strata``: N non-negative ints. The fractions are of all rows; training gets what remains."""
    counts = np.bincount(strata)
    total = int(counts.sum())
    if validation_fraction + test_fraction >= 1:
        raise Refused(
            RefusalKind.TOO_FEW_ROWS,
            f"Fractions {validation_fraction:g} (validation) and {test_fraction:g} (test) leave no training rows.",
        )
    some = (counts >= _PER_STRATUM).astype(np.int64)
    test = _shares(counts, _part(total, test_fraction), some, np.maximum(counts - 2 * some, 0))
    left = counts - test
    validation = _shares(counts, _part(total, validation_fraction), some, np.maximum(left - some, 0))
    place = _places(strata, counts, f"split {seed}")
    in_test = place < test[strata]
    in_validation = ~in_test & (place < (test + validation)[strata])
    return Split(np.flatnonzero(~in_test & ~in_validation), np.flatnonzero(in_validation), np.flatnonzero(in_test))


def keep_official(
    strata: Rows, parts: NDArray[np.int8], seed: int, validation_fraction: float, test_fraction: float
) -> Split:
    """Rows stay in the splits ``parts`` says (N, index into ``SPLITS``); what no row is in is taken from training.

    The fractions are of the official training part, and its rows are drawn as in ``split``.
    """
    official = [np.flatnonzero(parts == index) for index in range(len(SPLITS))]
    train, validation, test = official
    if len(validation) and len(test):
        return Split(train, validation, test)
    drawn = split(strata[train], seed, validation_fraction, test_fraction)
    taken = [validation if len(validation) else train[drawn.validation], test if len(test) else train[drawn.test]]
    return Split(np.setdiff1d(train, np.concatenate(taken)), *taken)


def subset(strata: Rows, seed: int, size: int) -> Rows:
    """Sorted indices of ``size`` of the N rows, every stratum in its proportion and with at least three rows."""
    counts = np.bincount(strata)
    floor = np.minimum(counts, _PER_STRATUM)
    if floor.sum() > size:
        raise Refused(
            RefusalKind.TOO_FEW_ROWS,
            f"A subset of {size} rows cannot hold three rows of each of the {np.count_nonzero(counts)} classes; "
            f"{floor.sum()} are the fewest.",
        )
    return np.flatnonzero(_places(strata, counts, f"subset {seed}") < _shares(counts, size, floor, counts)[strata])


def _part(total: int, fraction: float) -> int:
    """``fraction`` of ``total``, rounded half up, at least 1."""
    return max(1, int(Fraction(fraction) * total + Fraction(1, 2)))


def _shares(counts: Rows, wanted: int, least: Rows, most: Rows) -> Rows:
    """How many of each stratum: in proportion by largest remainders, within bounds, ``wanted`` in sum if they allow."""
    total = int(counts.sum())
    shares = np.clip(counts * wanted // total, least, most)
    by_need = np.argsort(-(counts * wanted % total), kind="stable")
    while (gap := wanted - int(shares.sum())) != 0:
        step = 1 if gap > 0 else -1
        open_ones = shares < most if step > 0 else shares > least
        chosen = [i for i in (by_need if step > 0 else by_need[::-1]) if open_ones[i]][: abs(gap)]
        if not chosen:
            break
        shares[chosen] += step
    return shares


def _places(strata: Rows, counts: Rows, purpose: str) -> Rows:
    """N: the place of each row in the random order of its own stratum."""
    order = np.lexsort((_random_bits(purpose, len(strata)), strata))
    starts = np.cumsum(counts) - counts
    places = np.empty(len(strata), dtype=np.int64)
    places[order] = np.arange(len(strata)) - starts[strata[order]]
    return places


def _random_bits(purpose: str, n: int) -> NDArray[np.uint64]:
    return np.frombuffer(hashlib.shake_256(f"fumehood {purpose}".encode()).digest(8 * n), dtype="<u8")
