"""Who writes the source of a candidate from a plan, and the author that needs nobody: the template."""

from collections.abc import Sequence
from typing import Protocol

from fumehood.assembly import template
from fumehood.errors import InternalError
from fumehood.records import Dataset, Goal, Iteration, Plan


class Author(Protocol):
    def write(self, plan: Plan, goal: Goal, dataset: Dataset, history: Sequence[Iteration]) -> str:
        """The source of the candidate, one file of Python. It is run in rooms and nowhere else."""
        ...


class TemplateAuthor(Author):
    """Writes what plans with a ``model_config`` say, always alike."""

    def write(self, plan: Plan, goal: Goal, dataset: Dataset, history: Sequence[Iteration]) -> str:  # noqa: ARG002 - the protocol's
        """Raises AssemblyError where the configuration does not fit together."""
        if plan.model_config_ is None:
            raise InternalError("a plan in words came to an author that reads configurations only")
        return template.assemble(plan.model_config_, plan.recipe, title=plan.title, rationale=plan.rationale)
