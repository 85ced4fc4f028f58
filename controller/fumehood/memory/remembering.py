"""The memory as research uses it: asked through ``get_smart_research_context``, and given what a run found out.

No fault of it stops a run: what goes wrong is told in words, and what cannot be stored stays in the run's own folder.
What a manager that somebody overrode returns is taken as far as it is understood.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from fumehood.errors import FumehoodError
from fumehood.experience import Experience
from fumehood.memory.context import ManualMemoryContextManager
from fumehood.memory.distill import distill
from fumehood.memory.likeness import fingerprint
from fumehood.records import Dataset, Goal, Phase, Run
from fumehood.records.insight import Insight, Kind, Recalled, Remembered
from fumehood_shared.messages import FailureKind

_WRITTEN_BY_HAND: Final = {"kind": Kind.NOTE.value, "importance": 0.5, "created_at": "", "phase": Phase.PLANNING.value}


class Remembering(Experience):
    """``wall_s``, ``memory``: what a train room of this run is allowed, in seconds and bytes."""

    def __init__(self, manager: ManualMemoryContextManager, wall_s: float, memory: int) -> None:
        self._manager, self._wall_s, self._memory = manager, wall_s, memory

    def recall(self, goal: Goal, dataset: Dataset, phase: Phase, why: str) -> tuple[Sequence[Recalled], str]:
        """Failures at limits tighter than this run's are left out: what was stopped there may do well here."""
        self._manager.current_data = fingerprint(dataset)
        try:
            context = self._manager.get_smart_research_context(
                current_goal=f"{goal.text} ({why})", research_phase=phase.value
            )
        except FumehoodError as error:
            return (), f"{error.what}; {error.hint}" if error.hint else error.what
        entries = context.get("insights") if isinstance(context, Mapping) else None
        found = [one for entry in entries or () if (one := recalled(entry)) is not None]
        return [one for one in found if self._binds(one.insight)], ""

    def keep(self, run: Run, folder: Path) -> Remembered | None:
        folder.mkdir(exist_ok=True)
        try:
            kept = self._manager.keep(distill(run), folder)
        except FumehoodError as error:
            return Remembered(insights=0, new=0, trouble=error.what)
        finally:
            self._manager.close()
        return Remembered(insights=kept.insights, new=kept.new, trouble=kept.trouble.what if kept.trouble else "")

    def _binds(self, insight: Insight) -> bool:
        """Whether what stopped a candidate then would stop it now."""
        limits = insight.details.get("limits")
        if insight.kind is not Kind.FAILURE or not isinstance(limits, Mapping):
            return True
        then, now = {
            FailureKind.TIMEOUT.value: (limits.get("wall_s"), self._wall_s),
            FailureKind.OOM.value: (limits.get("memory"), self._memory),
        }.get(str(insight.details.get("failure_kind")), (None, 0))
        return not isinstance(then, int | float) or now <= then


def recalled(entry: Any) -> Recalled | None:
    """One insight of a context; None where nothing can be made of it. Words alone are enough."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("text"), str):
        return None
    known = {name: value for name, value in entry.items() if name in Insight.model_fields}
    digest = hashlib.sha256(entry["text"].encode(errors="replace")).hexdigest()[:32]
    try:
        insight = Insight.model_validate_json(_json({"id": digest, **_WRITTEN_BY_HAND, **known}))
        score = entry.get("score")
        return Recalled(
            insight=insight,
            score=float(score) if isinstance(score, int | float) else 0.5,
            reason=str(entry.get("reason") or "chosen by the memory's own method"),
        )
    except (ValidationError, ValueError, TypeError):
        return None


def _json(value: Mapping[str, Any]) -> str:
    from fumehood.text import json_document

    return json_document(dict(value), indent=None)
