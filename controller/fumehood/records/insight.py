"""What is worth remembering beyond a run, as frozen values: an insight, where it comes from, and why it was recalled.

Texts that came out of a room stay foreign: they are quoted wherever they are shown. No I/O here.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from fumehood.records.base import Record
from fumehood.records.judgement import Interval
from fumehood.records.question import Phase
from fumehood_shared.messages import Landmarks


class Kind(StrEnum):
    RESULT = "result"
    """How good a run's candidate was on its data."""
    PATTERN = "pattern"
    """What works for which kind of data."""
    FAILURE = "failure"
    """A failure that may come again: error class, normalised cause, and a fingerprint of the configuration."""
    DECISION = "decision"
    NOTE = "note"
    """Written by a person."""


class DataFingerprint(Record):
    """What makes two data sets alike, without a value of either."""

    spec: str
    task: str
    input_kind: str
    input_shape: tuple[int, ...]
    num_outputs: int
    rows: int
    """Training rows."""
    source_digest: str
    landmarks: Landmarks | None = None


class Evidence(Record):
    """A measured number that an insight rests on. Never one from a sealed test."""

    run_id: str
    iteration: int | None = None
    metric: str
    direction: str
    mean: float
    interval: Interval | None = None
    n_seeds: int
    baseline: float | None = None


class Insight(Record):
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    kind: Kind
    text: Annotated[str, Field(max_length=4000)]
    """One or two sentences, for people and for prompts."""
    importance: Annotated[float, Field(ge=0, le=1)]
    created_at: str
    """UTC, ISO 8601."""
    phase: Phase
    run_id: str | None = None
    """None for notes."""
    iteration: int | None = None
    data: DataFingerprint | None = None
    evidence: tuple[Evidence, ...] = ()
    details: dict[str, Any] = Field(default={})
    """What a planner needs to use it: a plan's family, settings, recipe; a failure's kind and configuration."""
    demoted_by: str | None = None
    """Id of a newer insight with stronger evidence that says otherwise."""

    @property
    def runs(self) -> int:
        """How many runs it rests on."""
        return len({one.run_id for one in self.evidence} | ({self.run_id} if self.run_id else set()))


class Recalled(Record):
    """An insight that was looked up, and why this one."""

    insight: Insight
    score: float
    """Between 0 and 1; higher is more to the point."""
    reason: str


class Recollection(Record):
    """One look into the memory, before a proposal."""

    number: Annotated[int, Field(ge=1)]
    """Of the iteration that was to be proposed."""
    phase: Phase
    why: str
    recalled: tuple[Recalled, ...] = ()
    trouble: str = ""
    """Why the memory could not be read; research went on without it."""


class Remembered(Record):
    """What a finished run gave to the memory. All of it is in the run's ``memori/insights.jsonl`` too."""

    insights: int
    new: int
    """Of ``insights``: what the database did not hold before; 0 where it could not be written."""
    trouble: str = ""
    """Why the database could not be written."""
