"""Which insights are to the point, and why: what Memori's search finds in texts is weighed with what it cannot know.

That is: how alike the data are, where the research stands, how important and how old an insight is, whether it was
demoted, and whether it says what a better one says already. Pure; arrays have one entry per insight.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from fumehood.records import Phase
from fumehood.records.insight import Kind

Floats = npt.NDArray[np.float64]

FIT: Final = {
    Phase.PLANNING: {Kind.RESULT: 1.0, Kind.PATTERN: 1.0, Kind.FAILURE: 0.5, Kind.DECISION: 0.4, Kind.NOTE: 0.8},
    Phase.ARCHITECTURE: {Kind.RESULT: 0.8, Kind.PATTERN: 1.0, Kind.FAILURE: 0.8, Kind.DECISION: 0.4, Kind.NOTE: 0.7},
    Phase.EVALUATION: {Kind.RESULT: 0.4, Kind.PATTERN: 0.4, Kind.FAILURE: 1.0, Kind.DECISION: 0.6, Kind.NOTE: 0.7},
    Phase.OPTIMIZATION: {Kind.RESULT: 1.0, Kind.PATTERN: 0.8, Kind.FAILURE: 0.7, Kind.DECISION: 0.6, Kind.NOTE: 0.7},
}
"""How much a kind helps in a phase, from 0 to 1."""
HALF_LIFE_DAYS: Final = 180.0
DEMOTED: Final = 0.3
"""What is left of a demoted insight's score."""
SAME_SUBJECT: Final = 0.3
"""Taken from the score of what is about the same as something chosen before."""
FITS: Final = 0.05
"""How well a text fits, at least, that is found by a search for words alone."""
REPEATED: Final = 0.2
"""Taken from the score of a text that equals one chosen before; less where it only resembles it."""


@dataclass(frozen=True)
class Weights:
    """Of the parts of a score; their sum is 1."""

    text: float
    data: float
    kind: float
    phase: float
    importance: float
    age: float


RESEARCH: Final = Weights(text=0.12, data=0.5, kind=0.2, phase=0.03, importance=0.1, age=0.05)
WITHOUT_DATA: Final = Weights(text=0.55, data=0.0, kind=0.18, phase=0.07, importance=0.12, age=0.08)
TEXT_ONLY: Final = Weights(text=0.85, data=0.0, kind=0.0, phase=0.0, importance=0.1, age=0.05)


@dataclass(frozen=True)
class Traits:
    """What is known of each insight, for one question."""

    data: Floats
    """Similarity of its data set to the one in question, 0 to 1; 0 without."""
    kind: Floats
    phase: Floats
    """1 where it was found in the phase in question."""
    importance: Floats
    age: Floats
    """1 for new, half as much with every ``HALF_LIFE_DAYS``."""
    demoted: npt.NDArray[np.bool_]

    def of(self, rows: npt.NDArray[np.intp]) -> "Traits":
        parts = (self.data, self.kind, self.phase, self.importance, self.age, self.demoted)
        return Traits(*(part[rows] for part in parts))  # type: ignore[arg-type]  # the fields in their own order


def score(text: Floats, traits: Traits, weights: Weights) -> Floats:
    """``text``: how well the texts fit, 0 to 1."""
    parts = (
        weights.text * np.clip(text, 0, 1)
        + weights.data * traits.data
        + weights.kind * traits.kind
        + weights.phase * traits.phase
        + weights.importance * traits.importance
        + weights.age * traits.age
    )
    return np.asarray(parts * np.where(traits.demoted, DEMOTED, 1.0), np.float64)


def pool(estimates: Floats, cosines: Floats, allowed: npt.NDArray[np.bool_], size: int) -> npt.NDArray[np.intp]:
    """Rows to look at closely: the best by estimate, and the best by text alone, a third as many."""
    rows = np.flatnonzero(allowed)
    chosen = {
        int(row) for values, most in ((estimates, size), (cosines, size // 3)) for row in _best(values, rows, most)
    }
    return np.asarray(sorted(chosen), np.intp)


def _best(values: Floats, rows: npt.NDArray[np.intp], most: int) -> npt.NDArray[np.intp]:
    if len(rows) <= most:
        return rows
    return rows[np.argpartition(-values[rows], most)[:most]]


def diverse(scores: Floats, vectors: npt.NDArray[np.float32], subjects: Sequence[str | None], limit: int) -> list[int]:
    """Positions of the ``limit`` best, one after the other, each judged beside those chosen before."""
    left, chosen = list(range(len(scores))), list[int]()
    alike = np.clip(vectors @ vectors.T, 0, 1)
    penalty = np.zeros(len(scores))
    repeats = np.zeros(len(scores))
    while left and len(chosen) < limit:
        best = max(left, key=lambda i: (scores[i] - REPEATED * repeats[i] - penalty[i], -i))
        chosen.append(best)
        left.remove(best)
        repeats = np.maximum(repeats, alike[best])
        if subjects[best] is not None:
            penalty += [SAME_SUBJECT if one == subjects[best] else 0.0 for one in subjects]
    return chosen


def reason(text: float, traits: Traits, row: int, kind: Kind, phase: Phase | None, *, data_asked: bool) -> str:
    """Why an insight was chosen, in words."""
    found = []
    if data_asked and (alike := traits.data[row]) > 0:
        found.append("the same data set" if alike >= 0.95 else f"data alike to {alike:.0%}" if alike >= 0.3 else "")
    if text >= 0.05:
        found.append(f"its text fits to {min(text, 1.0):.0%}")
    if phase is not None and traits.kind[row] >= 0.8:
        found.append(f"a {kind.value} helps in {phase.value}")
    if traits.importance[row] >= 0.7:
        found.append("important")
    if traits.demoted[row]:
        found.append("demoted: newer evidence says otherwise")
    return "; ".join(part for part in found if part) or "nothing closer is known"
