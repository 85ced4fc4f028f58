"""What may be told of a failed candidate, to planners, authors and memory; and when two failures are the same. Pure.

Texts here are a room's, as they came: whoever shows them quotes them. Of a predict room nothing but the kind of the
failure and a line of the source is told, because its free text could carry validation inputs.
"""

import re
from dataclasses import dataclass
from typing import Final

from fumehood import text
from fumehood.records import Envelope, Iteration

MOST_CHARS: Final = 120
_STEPS: Final = (
    (re.compile(r"""(['"`]).{0,200}?\1"""), "…"),
    (re.compile(r"(?:/[\w.\-]+){2,}|\b[A-Za-z]:\\\S+"), "PATH"),
    (re.compile(r"\b\w+://\S+"), "ADDRESS"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "N"),
    (re.compile(r"[-+]?\b\d[\d_.,]*(?:e[-+]?\d+)?\w*"), "N"),
    (re.compile(r"N(?:\s*[x×,]\s*N)+"), "N"),
    (re.compile(r"[^A-Za-z0-9_ .,:()…-]+"), " "),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True)
class Told:
    """A failure without what must not be told. ``message`` and ``traceback`` are foreign text, or empty."""

    kind: str
    message: str
    traceback: str
    line: int | None
    """Of the candidate's source; a claim."""
    printed: str
    """End of what the train room's workers printed."""
    withheld: bool
    """Whether there are words that are kept back."""

    @property
    def signature(self) -> str:
        """Equal for failures of one kind whose messages differ in numbers, names and paths only."""
        words = normalised(self.message)
        return f"{self.kind}: {words}" if words else self.kind


def normalised(message: str) -> str:
    """The cause without numbers, paths and quotations, so that equal causes read the same.

    At most ``MOST_CHARS`` characters, none of which could be mark-up or a number.
    """
    words = text.plain(message, 600)
    for pattern, instead in _STEPS:
        words = pattern.sub(instead, words)
    return words.strip(" .,:")[:MOST_CHARS].strip()


def failed(iteration: Iteration) -> bool:
    """Whether no seed of it survived."""
    score = iteration.score
    return score is None or score.failed_seeds >= score.n_seeds


def told(envelope: Envelope) -> Told | None:
    """Of the first seed's failure; None where a seed survived, or nothing says why not."""
    failure = envelope.failure if envelope.seeds else None
    if failure is None:
        return None
    claims = envelope.seeds[0].predict_claims
    withheld = claims is not None and claims.failure is not None
    return Told(
        kind=failure.kind.value,
        message="" if withheld else failure.message,
        traceback="" if withheld else failure.traceback,
        line=failure.line,
        printed=envelope.log_tail,
        withheld=withheld,
    )
