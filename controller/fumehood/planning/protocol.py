"""What every planner can do."""

from collections.abc import Sequence
from typing import Protocol

from fumehood.records import Dataset, Goal, Iteration, Plan
from fumehood.records.insight import Recalled


class Planner(Protocol):
    """Proposes candidates."""

    def propose(
        self,
        goal: Goal,
        dataset: Dataset,
        history: Sequence[Iteration],
        pending: Sequence[Plan],
        recalled: Sequence[Recalled] = (),
    ) -> Plan | None:
        """The next candidate, or None where there is nothing more to propose.

        ``pending``: those proposed after ``history``, in their order, of which no score is known yet. ``recalled``:
        what earlier runs found out, as far as it was looked up in this one.
        """
        ...
