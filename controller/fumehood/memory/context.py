"""The memory from Python, with the names that people coming from PyTorch Researcher know.

    from fumehood import ManualMemoryContextManager

    memory = ManualMemoryContextManager()
    memory.record_research_insight("Dropout above 0.3 hurts on small tables.", kind="note", importance=0.7)
    print(memory.get_smart_research_context(current_goal="Classify wine", research_phase="planning")["text"])

Everything happens when it is called, and nothing otherwise: no call of anybody is intercepted, nothing is sent.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from pydantic import ValidationError

from fumehood import text
from fumehood.errors import UsageError
from fumehood.journal import fold, lines
from fumehood.memory.distill import distill
from fumehood.memory.keeping import Kept, keep
from fumehood.memory.store import MemoryStore, Query
from fumehood.records import Phase
from fumehood.records.insight import DataFingerprint, Evidence, Insight, Kind, Recalled
from fumehood.run_directory import RunDirectory

MOST_INSIGHTS: Final = 18
"""In one context, up to two thirds of them of what failed, because it takes several failures to tell where a limit
lies."""
_WARNS: Final = frozenset({Kind.FAILURE})
_HELPS: Final = frozenset(Kind) - _WARNS
_Named = TypeVar("_Named", bound=StrEnum)


class ManualMemoryContextManager:
    """One memory, opened when it is first used. Also a context manager, which closes it at its end.

    Every method raises UsageError for what cannot be meant, and MemoryTroubleError where the database cannot be used.
    """

    def __init__(
        self,
        database_url: str | None = None,
        namespace: str = "default",
        conscious_ingest: bool = False,
        auto_ingest: bool = False,
    ) -> None:
        """``database_url``: as ``--memory-db``; None: ``MEMORI_DATABASE__CONNECTION_STRING``, else SQLite."""
        for name, value in (("conscious_ingest", conscious_ingest), ("auto_ingest", auto_ingest)):
            if value is not False:
                raise UsageError(
                    f"{name} can only be False: it would read along with every conversation and let a language model"
                    " decide what is kept, and here nothing is kept that was not recorded by a call",
                    "leave it out, and call record_research_insight or analyze_and_record_research_session",
                )
        self._url, self.namespace = database_url, namespace
        self.current_data: DataFingerprint | None = None
        """What a context is about where nothing else is said; the research loop sets it."""
        self._store: MemoryStore | None = None
        self._is_enabled = True

    # -- on and off --

    def enable_manual_mode(self) -> None:
        """Read and write when asked to, which is also the state at the beginning."""
        self._is_enabled = True

    def disable_manual_mode(self) -> None:
        """Neither read nor write from here on: contexts are empty, and recording raises UsageError."""
        self._is_enabled = False
        self.close()

    @property
    def is_enabled(self) -> bool:
        return self._is_enabled

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- reading --

    def get_smart_research_context(
        self,
        current_goal: str,
        research_phase: str = "planning",
        *,
        data: DataFingerprint | None = None,
        limit: int = MOST_INSIGHTS,
    ) -> dict[str, Any]:
        """What helps with a goal in a phase: planning, architecture, evaluation or optimization.

        ``goal`` and ``phase`` as given; ``insights``: a list of at most ``limit``, those that help and then those that
        warn of failures, up to two thirds of them, the most to the point first in both; each a dict with ``id``,
        ``kind``, ``text``, ``importance``, ``score``, ``reason``, ``run_id``, ``created_at``, ``evidence`` and
        ``details``; ``text``: the same for a prompt, quoted as data, empty without insights. Override it to choose
        otherwise; the research loop asks this method.
        """
        phase = _one_of(Phase, research_phase, "research_phase")
        found: tuple[Recalled, ...] = ()
        if self._is_enabled:
            asked = Query(data or self.current_data, phase, current_goal)
            helps, warns = replace(asked, kinds=_HELPS), replace(asked, kinds=_WARNS)
            warned = self._opened().recall(warns, 2 * limit // 3)
            found = (*self._opened().recall(helps, limit - len(warned)), *warned)
        return {
            "goal": current_goal,
            "phase": phase.value,
            "insights": [_plainly(one) for one in found],
            "text": in_words(found),
        }

    def search_memories(self, query: str, limit: int = 10) -> list[dict[str, Any]]:
        """Insights whose texts fit ``query``, the closest first, as in ``get_smart_research_context``."""
        return [_plainly(one) for one in self._opened().search(query, limit)]

    def get_memory_stats(self) -> dict[str, Any]:
        """``total``, ``kinds`` (name -> count), ``demoted``, ``runs``, ``namespace``, ``address``, ``embedder``,
        ``oldest``, ``newest`` and ``enabled``."""
        stats = self._opened().stats()
        kinds = {kind.value: count for kind, count in stats.kinds.items()}
        return {**vars(stats), "kinds": kinds, "enabled": self._is_enabled}

    # -- writing --

    def record_research_insight(
        self,
        text: str,
        kind: str = "note",
        importance: float = 0.5,
        *,
        research_phase: str = "planning",
        run_id: str | None = None,
        iteration: int | None = None,
        data: DataFingerprint | None = None,
        evidence: tuple[Evidence, ...] = (),
        details: Mapping[str, Any] | None = None,
    ) -> str:
        """Store one insight; its id."""
        try:
            insight = Insight(
                id=secrets.token_hex(16),
                kind=_one_of(Kind, kind, "kind"),
                text=text,
                importance=importance,
                created_at=datetime.now(UTC).isoformat(timespec="seconds"),
                phase=_one_of(Phase, research_phase, "research_phase"),
                run_id=run_id,
                iteration=iteration,
                data=data,
                evidence=evidence,
                details=dict(details or {}),
            )
        except ValidationError as error:
            first = error.errors()[0]
            raise UsageError(f"the insight's {first['loc'][0]} cannot be used: {first['msg']}") from error
        if not text.strip():
            raise UsageError("an insight without words cannot be recorded", "say in a sentence what was found out")
        self._opened().add([insight])
        return insight.id

    def analyze_and_record_research_session(self, report: Mapping[str, Any] | str | Path) -> dict[str, Any]:
        """Distil a run and store what is worth remembering of it.

        ``report``: what ``AgentOrchestrator.run`` returned, or a run's directory. Returns ``recorded`` (how many
        insights were new), ``insights`` (all that were found, as dicts) and ``run_id``. Doing it again stores nothing.
        """
        where = report.get("run_dir") if isinstance(report, Mapping) else report
        if not isinstance(where, str | Path):
            raise UsageError(
                "the report names no run directory", "give what AgentOrchestrator.run returned, or the directory"
            )
        run = fold(lines(RunDirectory.open(Path(where)).journal)).run
        insights = distill(run)
        new = self._opened().add(insights)
        return {
            "run_id": run.run_id,
            "recorded": new,
            "insights": [one.model_dump(mode="json") for one in insights],
        }

    def keep(self, insights: Iterable[Insight], folder: Path) -> Kept:
        """Write insights into ``folder``, then store them; see ``keeping.keep``."""
        return keep(self._store or self._url, insights, folder, self.namespace)

    def clear_memory(self, kind: str | None = None) -> int:
        """Delete all insights of a kind for good, or, with None, all of this namespace; how many."""
        if kind is None:
            return self._opened().forget(everything=True)
        return self._opened().forget(kind=_one_of(Kind, kind, "kind"))

    def _opened(self) -> MemoryStore:
        if not self._is_enabled:
            raise UsageError("manual mode is disabled, so the memory stays closed", "call enable_manual_mode() first")
        self._store = self._store or MemoryStore.open(self._url, self.namespace)
        return self._store


def in_words(found: tuple[Recalled, ...]) -> str:
    """Insights for a prompt to a language model, quoted as data; empty without any."""
    if not found:
        return ""
    said = "\n".join(f"- {one.insight.kind.value}: {one.insight.text} ({one.reason})" for one in found)
    return text.prompt_data(said, "what earlier runs found out", 6000)


def _plainly(one: Recalled) -> dict[str, Any]:
    insight = one.insight.model_dump(mode="json")
    return {**insight, "score": one.score, "reason": one.reason}


def _one_of(among: type[_Named], name: str, what: str) -> _Named:
    try:
        return among(name)
    except ValueError as error:
        known = ", ".join(one.value for one in among)
        raise UsageError(f"{what} cannot be {text.plain(str(name), 60)!r}", f"it is one of {known}") from error
