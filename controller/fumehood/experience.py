"""What research asks of a memory, and the one that remembers nothing.

A memory in trouble says so in what it returns, and raises nothing: research goes on without it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from fumehood.records import Dataset, Goal, Phase, Run
from fumehood.records.insight import Recalled, Remembered


class Experience(Protocol):
    def recall(self, goal: Goal, dataset: Dataset, phase: Phase, why: str) -> tuple[Sequence[Recalled], str]:
        """What earlier runs found out that may help now, most to the point first, and what went wrong on the way."""
        ...

    def keep(self, run: Run, folder: Path) -> Remembered | None:
        """Add what ``run`` found out, which goes into ``folder`` in any case. None where nothing is remembered."""
        ...


class OnFirstUse(Experience):
    """Another one, made when it is first asked or given something."""

    def __init__(self, make: Callable[[], Experience]) -> None:
        self._make = make
        self._made: Experience | None = None

    def recall(self, goal: Goal, dataset: Dataset, phase: Phase, why: str) -> tuple[Sequence[Recalled], str]:
        return self._experience.recall(goal, dataset, phase, why)

    def keep(self, run: Run, folder: Path) -> Remembered | None:
        return self._experience.keep(run, folder)

    @property
    def _experience(self) -> Experience:
        self._made = self._made or self._make()
        return self._made


class NoExperience(Experience):
    def recall(self, goal: Goal, dataset: Dataset, phase: Phase, why: str) -> tuple[Sequence[Recalled], str]:  # noqa: ARG002 - the protocol's
        return (), ""

    def keep(self, run: Run, folder: Path) -> Remembered | None:  # noqa: ARG002 - the protocol's
        return None
