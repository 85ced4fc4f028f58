"""Which rows are for training, validation and test: stratified, and the same on every machine.

A row's place depends on the split seed, on its stratum (its class, or the decile of a regression target) and on its
position. Each stratum gives every split its share, at least one row each where it has three. Groups stay whole and are
dealt out so that strata keep their shares as well as may be; by time the oldest rows are for training, the newest for
test, and rows of one moment stay together; splits of the data set's own stay as they are. The random
order is read from SHAKE-256 (FIPS 202), whose output is fixed by its definition, so neither the platform nor the
version of a library moves a row; all other arithmetic is on integers. The rows of a split keep the order of the file.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import fsum

import numpy as np
from numpy.typing import NDArray

from fumehood_runner.prepare.cells import Rows
from fumehood_runner.prepare.placement import SPLITS, Groups, OwnSplits, Placement, Times
from fumehood_runner.prepare.refusals import Refused, shown
from fumehood_shared.messages import RefusalKind

_PER_STRATUM = 3
_ALIKE = "Intervals take rows as independent; where rows of a group are alike, they are too narrow."


@dataclass(frozen=True)
class Split:
    """Sorted row indices of the three splits; disjoint, and together all rows."""

    train: Rows
    validation: Rows
    test: Rows

    def rows(self, name: str) -> Rows:
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]


def place(
    placement: Placement | None, strata: Rows, seed: int, validation_fraction: float, test_fraction: float
) -> tuple[Split, tuple[str, ...]]:
    """Split N rows as ``placement`` demands; notes on how it was done, where it was not simply at random."""
    if isinstance(placement, Groups):
        return _by_group(placement, strata, seed, validation_fraction, test_fraction)
    if isinstance(placement, Times):
        return _by_time(placement, validation_fraction, test_fraction)
    if isinstance(placement, OwnSplits):
        return _by_own_splits(placement, strata, seed, validation_fraction, test_fraction)
    return split(strata, seed, validation_fraction, test_fraction), ()


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


def subset(strata: Rows, seed: int, size: int) -> Rows:
    """Sorted indices of ``size`` of the N rows, every stratum in its proportion and with at least three rows."""
    counts = np.bincount(strata)
    floor = np.minimum(counts, _PER_STRATUM)
    if floor.sum() > size:
        raise Refused(
            RefusalKind.TOO_FEW_ROWS,
            f"A subset of {size} rows cannot hold three rows of each class, for each split that the data set brings; "
            f"{floor.sum()} are the fewest.",
        )
    return np.flatnonzero(_places(strata, counts, f"subset {seed}") < _shares(counts, size, floor, counts)[strata])


def folds(
    placement: Placement | None, strata: Rows, rest: Rows, seed: int, count: int
) -> tuple[tuple[Rows, ...], tuple[str, ...]]:
    """Divide ``rest``, the sorted indices of all rows that are not for test, into ``count`` folds; and notes.

    Of every stratum, and of all rows, no fold gets more than one row more than another, but where groups stay whole.
    """
    if isinstance(placement, Times):
        raise Refused(
            RefusalKind.NO_FOLDS,
            f"Folds cannot be made of rows in the order of {shown(placement.name)}: a model would be asked about rows "
            "that are older than some it was trained on. Use --splits holdout, or leave out #time=.",
        )
    if isinstance(placement, OwnSplits) and (given := int((placement.parts == SPLITS.index("validation")).sum())):
        raise Refused(
            RefusalKind.NO_FOLDS,
            f"The data set brings {given} validation rows of its own, which folds would mix with its training rows. "
            "Use --splits holdout.",
        )
    groups = placement.pick(rest) if isinstance(placement, Groups) else None
    number = int(groups.codes.max()) + 1 if groups else len(rest)
    if number < count:
        what = f"groups of {shown(groups.name)}" if groups else "rows"
        raise Refused(RefusalKind.TOO_FEW_ROWS, f"{number} {what} that are not for test cannot make {count} folds.")
    if groups:
        home = _dealt(groups.codes, strata[rest], f"group folds {seed}", [1 / count] * count)[groups.codes]
    else:
        home = np.empty(len(rest), dtype=np.int64)
        home[np.lexsort((_random_bits(f"folds {seed}", len(rest)), strata[rest]))] = np.arange(len(rest)) % count
    parts = tuple(rest[home == fold] for fold in range(count))
    held = sorted({len(rows) for rows in parts})
    sizes = f"{held[0]}" if len(held) == 1 else f"{held[0]} to {held[-1]}"
    notes = [f"{count} folds of {sizes} rows: each is predicted by models that were trained on the other {count - 1}."]
    if groups:
        notes.append(f"Groups of {shown(groups.name)} stay together. {_ALIKE}")
    return parts, tuple(notes)


# ---- groups --------------------------------------------------------------------------------------------------------


def _by_group(
    groups: Groups, strata: Rows, seed: int, validation_fraction: float, test_fraction: float
) -> tuple[Split, tuple[str, ...]]:
    count = int(groups.codes.max()) + 1
    if count < len(SPLITS):
        raise Refused(
            RefusalKind.TOO_FEW_ROWS,
            f"{shown(groups.name)} has {count} different value{'s' * (count != 1)}; three groups are the fewest, "
            "one for each of training, validation and test.",
        )
    shares = (1 - validation_fraction - test_fraction, validation_fraction, test_fraction)
    home = _dealt(groups.codes, strata, f"groups {seed}", shares)[groups.codes]
    parts = [np.flatnonzero(home == part) for part in range(len(SPLITS))]
    held = [len(np.unique(groups.codes[rows])) for rows in parts]
    note = (
        f"Split by {shown(groups.name)}: {count} groups, {held[0]} for training, {held[1]} for validation, {held[2]} "
        f"for test. {_ALIKE}"
    )
    return Split(*parts), (note,)


def _dealt(codes: Rows, strata: Rows, purpose: str, shares: Sequence[float]) -> Rows:
    """G: the split of each group. Large groups first, each to where its rows are wanted most, none left empty.

    What a split wants is its share of each stratum; a group goes where the sum over strata of squared deviations over
    shares (as in a chi-squared statistic) falls most. Sums are exactly rounded, so no platform deals differently.
    """
    sizes = np.bincount(codes)
    magnitude = np.array([int(size).bit_length() for size in sizes])
    # Only the order of magnitude counts, so that another seed deals groups of like size in another order.
    order = np.lexsort((_random_bits(purpose, len(sizes)), -magnitude)).tolist()
    wanted = [[share * total for total in np.bincount(strata).tolist()] for share in shares]
    held = [[0] * len(wanted[0]) for _ in shares]
    members = _strata_of_groups(codes, strata)
    home = np.zeros(len(sizes), dtype=np.int64)
    empty = set(range(len(shares)))
    for done, group in enumerate(order):
        open_ones = sorted(empty) if len(order) - done == len(empty) else range(len(shares))
        best = min(open_ones, key=lambda part: _worsening(members[group], held[part], wanted[part]))
        for stratum, rows in members[group]:
            held[best][stratum] += rows
        home[group] = best
        empty.discard(best)
    return home


def _strata_of_groups(codes: Rows, strata: Rows) -> list[list[tuple[int, int]]]:
    """For each group its strata, each with its rows."""
    pairs, counts = np.unique(np.stack([codes, strata]), axis=1, return_counts=True)
    members: list[list[tuple[int, int]]] = [[] for _ in range(int(codes.max()) + 1)]
    for group, stratum, rows in zip(*pairs.tolist(), counts.tolist(), strict=True):
        members[group].append((stratum, rows))
    return members


def _worsening(members: Sequence[tuple[int, int]], held: Sequence[int], wanted: Sequence[float]) -> float:
    return fsum(rows * (2 * (held[s] - wanted[s]) + rows) / wanted[s] for s, rows in members)


# ---- time, and splits of the data set's own ---------------------------------------------------------------------


def _by_time(times: Times, validation_fraction: float, test_fraction: float) -> tuple[Split, tuple[str, ...]]:
    total = len(times.values)
    order = np.argsort(times.values, kind="stable")
    # Places in the order at which a new moment begins: only there can the rows be cut.
    cuts = (np.flatnonzero(np.diff(times.values[order])) + 1).tolist()
    if len(cuts) < len(SPLITS) - 1:
        raise Refused(
            RefusalKind.TOO_FEW_ROWS,
            f"{shown(times.name)} has {len(cuts) + 1} different time{'s' * bool(cuts)}; three are the fewest, one for "
            "each of training, validation and test.",
        )
    newest = _part(total, test_fraction)
    second = _nearest(cuts[1:], total - newest)
    first = _nearest([cut for cut in cuts if cut < second], second - _part(total, validation_fraction))
    parts = [np.sort(rows) for rows in (order[:first], order[first:second], order[second:])]
    note = (
        f"Split by {shown(times.name)}: training has the oldest rows, test the newest, so the split seed has no part "
        "in it, and scores on them tell how the model fares later."
    )
    return Split(*parts), (note,)


def _nearest(cuts: Sequence[int], wanted: int) -> int:
    """The earlier of two that are equally near."""
    return min(cuts, key=lambda cut: (abs(cut - wanted), cut))


def _by_own_splits(
    own: OwnSplits, strata: Rows, seed: int, validation_fraction: float, test_fraction: float
) -> tuple[Split, tuple[str, ...]]:
    """What the data set has no rows for is drawn from its training rows, of which the fractions are."""
    parts = {name: np.flatnonzero(own.parts == index) for index, name in enumerate(SPLITS)}
    given = [name for name in SPLITS[1:] if len(parts[name])]
    drawn = [name for name in SPLITS[1:] if name not in given]
    train = parts["train"]
    if drawn:
        chosen = split(strata[train], seed, validation_fraction, test_fraction)
        parts.update({name: train[chosen.rows(name)] for name in drawn})
        parts["train"] = np.setdiff1d(train, np.concatenate([parts[name] for name in drawn]))
    if not all(map(len, parts.values())):
        raise Refused(
            RefusalKind.TOO_FEW_ROWS, f"The {len(train)} training rows of the data set are too few to learn and judge."
        )
    notes = [f"The {len(parts[name])} {name} rows are the data set's own." for name in given]
    notes += [f"The {len(parts[name])} {name} rows are drawn from its training rows." for name in drawn]
    return Split(**parts), (" ".join(notes),)


# ---- the arithmetic of shares --------------------------------------------------------------------------------------


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
