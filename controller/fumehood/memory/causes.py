"""Why a candidate failed, in few words without numbers, paths or quotations, so that equal causes read the same. Pure.

A failure's message is free text of a room. It is used only where it comes from the train room: a predict room's text
could carry validation inputs. What is left of it is plain words of a limited length, quoted wherever it is shown.
"""

import re
from typing import Final

from fumehood.records import Envelope, SeedResult
from fumehood.text import plain

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


def normalised(message: str) -> str:
    """At most ``MOST_CHARS`` characters, none of which could be mark-up or a number."""
    words = plain(message, 600)
    for pattern, instead in _STEPS:
        words = pattern.sub(instead, words)
    return words.strip(" .,:")[:MOST_CHARS].strip()


def of(envelope: Envelope) -> str:
    """Of a candidate whose seeds all failed: the first cause that its train room told; empty where it told none."""
    told = (normalised(seed.failure.message) for seed in envelope.seeds if seed.failure and _is_from_training(seed))
    return next((cause for cause in told if cause), "")


def _is_from_training(seed: SeedResult) -> bool:
    claims = seed.train_claims
    return seed.predict_claims is None and claims is not None and claims.failure == seed.failure
