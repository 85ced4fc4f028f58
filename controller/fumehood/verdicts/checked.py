"""What a check found, as one frozen value that all formats are written from. Pure.

Texts in rejections may be a candidate's own words: every format escapes them for its sink.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from fumehood.candidate import Candidate
from fumehood.literals import Flag
from fumehood.records import Dataset, Envelope, Goal, ImageFact, Record, RoomFacts, Score
from fumehood_shared.messages import Failure


class CheckVerdict(StrEnum):
    PASSED = "passed"
    BELOW_MINIMUM = "below_minimum"
    """The confidence bound does not reach ``--min-score``."""
    CANDIDATE_FAILED = "candidate_failed"
    """Every seed failed: syntax, crash, out of time or memory, unusable predictions ..."""
    POLICY_VIOLATION = "policy_violation"
    """Hostile output, of one seed at least."""
    BUDGET = "budget"
    ENGINE = "engine"
    """No engine, no image, or an engine that cannot enforce the policy: nothing is said of the candidate."""


EXIT_CODES: Final = MappingProxyType(
    {
        CheckVerdict.PASSED: 0,
        CheckVerdict.BELOW_MINIMUM: 1,
        CheckVerdict.CANDIDATE_FAILED: 3,
        CheckVerdict.POLICY_VIOLATION: 4,
        CheckVerdict.BUDGET: 5,
        CheckVerdict.ENGINE: 6,
    }
)


class Rejection(Record):
    """One reason why the candidate, or some of its seeds, was not accepted."""

    kind: str
    """A ``FailureKind``, ``below_minimum``, or the kind of a ``Stopped``."""
    reason: str
    seeds: tuple[int, ...] = ()
    """Which failed in this very way; empty where it is about the whole candidate."""
    line: int | None = None
    """A line that the candidate's file has; None where none is known."""
    traceback: str = ""


class Stopped(Record):
    """Why the check ended before it could judge: not the candidate's doing."""

    kind: str
    message: str
    hint: str


class Checked(Record):
    """None and empty where the check did not get as far."""

    verdict: CheckVerdict
    candidate: Candidate
    data: str
    policy: str
    isolated: bool
    """Every seed had rooms of its own, so that the seeds' independence is a fact."""
    wall_s: float
    """Of the whole check, by the controller's clock."""
    goal: Goal | None = None
    """The metric, and the minimum score as its target."""
    image: ImageFact | None = None
    dataset: Dataset | None = None
    prepared: RoomFacts | None = None
    kept_since: str = ""
    """UTC: when that room worked, where its arrays were kept by content and this check took them over; else empty."""
    envelope: Envelope | None = None
    """Of the evaluation; with ``--final`` its predictions are those of the test inputs."""
    score: Score | None = None
    opening: int | None = None
    """Number of this opening of the seal on the test split; None where it stayed closed."""
    rejections: tuple[Rejection, ...] = ()
    flags: tuple[Flag, ...] = ()
    """What a person should look at; the verdict does not depend on it."""
    stopped: Stopped | None = None

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.verdict]

    @property
    def parameters(self) -> int | None:
        """Largest number of parameters over the seeds, from the weights files: a fact."""
        seeds = self.envelope.seeds if self.envelope else ()
        return max((seed.parameters for seed in seeds if seed.parameters is not None), default=None)

    @property
    def rooms(self) -> tuple[RoomFacts, ...]:
        """Of this check: where the data were kept, the room that prepared them was another one's."""
        prepared = (self.prepared,) if self.prepared and not self.kept_since else ()
        return (*prepared, *(self.envelope.rooms if self.envelope else ()))


def rejections(envelope: Envelope, candidate: Candidate) -> tuple[Rejection, ...]:
    """The seeds' failures, those that are alike together."""
    alike: dict[tuple[str, str, int | None], list[tuple[int, Failure]]] = {}
    for seed in envelope.seeds:
        if failure := seed.failure:
            key = failure.kind.value, failure.message, candidate.line(failure.line)
            alike.setdefault(key, []).append((seed.seed, failure))
    return tuple(
        Rejection(
            kind=kind, reason=reason, line=line, seeds=tuple(seed for seed, _ in found), traceback=found[0][1].traceback
        )
        for (kind, reason, line), found in alike.items()
    )
