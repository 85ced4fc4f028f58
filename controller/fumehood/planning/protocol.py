"""What every planner can do."""

from collections.abc import Sequence
from typing import Protocol

from fumehood.records import Dataset, Goal, Iteration, Plan


class Planner(Protocol):
    """Proposes candidates. The same goal, data set, history and pending plans always give the same proposal."""

    def propose(
        self, goal: Goal, dataset: Dataset, history: Sequence[Iteration], pending: Sequence[Plan]
    ) -> Plan | None:
        """The next candidate, or None where there is nothing more to propose.

        ``pending``: those proposed after ``history``, in their order, of which no score is known yet.
        """
        ...
