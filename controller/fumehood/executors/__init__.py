"""Where candidates are evaluated: a job goes in, an envelope and files come out.

An executor holds no label and makes no score. ``local`` runs rooms on the engine of this machine; ``folded`` has one of
these for each fold of the data.
"""

import hashlib
from pathlib import Path
from typing import Literal, Protocol

from fumehood.records import Envelope, Record
from fumehood_shared.messages import SeedSpec


class Job(Record):
    """One candidate to be trained and to predict the validation inputs."""

    number: int
    """Of the iteration; names the secret row order of its predict room."""
    source: str
    seeds: tuple[SeedSpec, ...]
    timeout_s: float | None = None
    """Wall time of a train room where it is tighter than the policy's; None leaves the policy's."""
    followed: bool = False
    """Whether another job is likely to follow, for which rooms are to be warmed meanwhile."""
    isolated: bool = False
    """Every seed in rooms of its own, whatever the policy says."""

    @property
    def source_digest(self) -> str:
        """SHA-256 of the source, hexadecimal."""
        return hashlib.sha256(self.source.encode()).hexdigest()


class Executor(Protocol):
    """``evaluate`` may be called from several threads at once, for different candidates."""

    def evaluate(self, job: Job, into: Path) -> Envelope:
        """Train every seed and predict the validation inputs.

        Files under ``into``: ``weights/seed-K.safetensors`` and ``predictions/seed-K.bin`` (float32 N x C, rows in the
        data set's own order) of every seed K that did not fail; all of them are on disk when the envelope is returned.
        With folds there are weights of every fold F, as ``weights/fold-F/seed-K.safetensors``.
        Raises EngineError if the sandbox failed; a candidate's failure is inside the envelope.
        """
        ...

    def predict(self, job: Job, split: Literal["validation", "test"], weights: Path, into: Path) -> Envelope:
        """Predict a split's inputs with the stored weights in the folder ``weights``; files as in ``evaluate``."""
        ...

    def at_once(self, job: Job) -> int:
        """How many seeds of ``job`` train at the same time; at least one."""
        ...

    def abandon(self) -> None:
        """From any thread: every evaluation under way ends by raising Abandoned, and no new one starts.

        That is what ends a search. ``predict`` goes on working, and so does ``evaluate`` for isolated jobs.
        """
        ...
