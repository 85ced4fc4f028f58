"""The language model of a run, opened before there is a run, because it may help to read the goal.

Every question is on record: in the transcript under the run's ``logs/``, and, as what it cost, in the journal. What is
asked before there is a run is kept in memory and goes there once there is one.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from fumehood import floor
from fumehood.assembly.author import Author
from fumehood.assembly.language import LanguageAuthor, TrainRoom
from fumehood.data import seal
from fumehood.errors import UsageError
from fumehood.llm import library
from fumehood.llm import settings as configured
from fumehood.llm.client import Client
from fumehood.llm.ledger import Ledger
from fumehood.llm.model import LanguageModel
from fumehood.llm.replay import Replay
from fumehood.llm.settings import Keys, keys
from fumehood.llm.transcript import LoosePages, Transcript, lines
from fumehood.planning import phases
from fumehood.planning.language import LanguagePlanner
from fumehood.planning.protocol import Planner
from fumehood.recorder import Recorder
from fumehood.records import Call, Iteration, LlmSettings, Phase, Run
from fumehood.text import plain

TRANSCRIPT = "llm.jsonl"


@dataclass(frozen=True)
class Asking:
    """Who is asked: by its settings and with its keys, or ``replay``, a transcript that answers in its place."""

    settings: LlmSettings
    keys: Keys
    replay: Path | None = None

    def order_key(self) -> bytes | None:
        """The secret row orders of the run that the transcript is of, where it still lies in that run's directory.

        With them the same candidates get the same scores to the last bit, and the same decisions.
        """
        return None if self.replay is None else seal.known_key(self.replay.absolute().parent.parent / "sealed")


def resumed(run: Run, *, key: str | None = None, key_file: Path | None = None, replay: Path | None = None) -> Asking:
    """How a run that goes on asks. Raises UsageError where it replays a transcript that is not given again."""
    settings = run.settings.llm
    if settings is None:
        raise UsageError("the run asks no language model", "leave out the options that speak of one")
    if run.settings.llm_replay:
        if replay is None:
            raise UsageError("the run takes its answers from a transcript", "give it again: --llm-replay FILE")
        return Asking(settings, Keys(), replay)
    if replay is not None:
        raise UsageError("the run asks a language model, and began without a transcript", "leave out --llm-replay")
    return Asking(settings, keys(settings, environment=os.environ, flag=key, file=key_file))


def opened(
    planner: str,
    settings: LlmSettings | None,
    keys: Keys,
    replay: Path | None = None,
    *,
    budget_usd: float | None = None,
    budget_tokens: int | None = None,
) -> "Mind | None":
    """The language model that plans, by its ``settings`` or as ``replay`` answers; None where none does.

    The budgets are those of a replay; a model's are in its settings. Raises UsageError for what contradicts itself.
    """
    if planner == "search":
        if replay is not None:
            raise UsageError("a transcript replays a language model, and the search asks none", "leave out one of them")
        return None
    if replay is not None:
        told = LlmSettings(model="transcript", budget_usd=budget_usd, budget_tokens=budget_tokens)
        return Mind(Asking(told, Keys(), replay))
    return None if settings is None else Mind(Asking(settings, keys))


def for_assembly(asked: Mapping[str, Any]) -> LanguageModel | None:
    """The model that writes for ``assemble_from_config``; its transcript is kept nowhere."""
    unknown = sorted(set(asked) - {"base_url", "model_name", "max_retries", "retry_backoff"})
    if unknown:
        raise UsageError(
            f"llm_kwargs has no {plain(', '.join(unknown), 100)}", "base_url, model_name, max_retries, retry_backoff"
        )
    found = configured.settings(
        asked.get("model_name"),
        asked.get("base_url"),
        environment=os.environ,
        max_retries=asked.get("max_retries"),
        backoff_s=asked.get("retry_backoff"),
    )
    return None if found is None else Mind(Asking(found, keys(found, environment=os.environ))).model


class Mind:
    """``spent``: what an earlier process asked for the same run."""

    def __init__(
        self, asking: Asking, spent: Sequence[Call] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        environment = os.environ if environment is None else environment
        self._asking = asking
        self._bounds = floor.llm(floor.read(environment))
        self._pages = LoosePages()
        self._calls: list[Call] = []
        self._record: Recorder | None = None
        self._spent = list(spent)
        self._replay: Replay | None = None
        if asking.replay is not None:
            self._replay = Replay(asking.replay, self._note, self._pages, skip=len(spent))
            self.model: LanguageModel = self._replay
        else:
            library.load_ahead()
            self.model = Client(
                asking.settings,
                asking.keys,
                self._pages,
                Ledger(asking.settings.budget_usd, asking.settings.budget_tokens, spent, self._time_left_s),
                self._note,
                environment=environment,
                permits=self._bounds.permits,
            )

    @property
    def settings(self) -> LlmSettings:
        """As the journal may hold them; of a replay, the model that answered then."""
        return self._asking.settings.model_copy(update={"model": self.model.name})

    def order_key(self) -> bytes | None:
        """See ``Asking``."""
        return self._asking.order_key()

    @property
    def replays(self) -> bool:
        return self._replay is not None

    @property
    def differing(self) -> int:
        """Questions of a replay that were put in other words than then."""
        return self._replay.differing if self._replay else 0

    def join(self, record: Recorder) -> tuple[Planner, Author]:
        """Plan and write for the run of ``record`` from here on.

        What was asked before goes into its transcript and journal; so does what a killed process had asked, and not
        noted.
        """
        path = record.directory.logs / TRANSCRIPT
        for written in _unnoted(path, len(record.run.calls)):
            record.note("asked", call=written)
        self._pages.bind(Transcript(path))
        self._record = record
        for call in self._calls:
            record.note("asked", call=call)
        self._calls = []
        settings, room = record.run.settings, TrainRoom.of(record.run.settings, record.policy.train)

        def source(number: int) -> str:
            return (record.directory.iteration(number) / "model.py").read_text(encoding="utf-8")

        def phase(history: Sequence[Iteration]) -> Phase:
            return phases.phase(history, settings.max_iterations)

        planner = LanguagePlanner(
            self.model,
            room=room,
            max_iterations=settings.max_iterations,
            parallel=settings.parallel,
            max_repairs=settings.max_repairs,
            sources=source,
            budget=self._left,
            tell_names=self._bounds.send_names,
        )
        author = LanguageAuthor(self.model, room=room, sources=source, phase=phase, tell_names=self._bounds.send_names)
        return planner, author

    def _note(self, call: Call) -> None:
        self._spent.append(call)
        if self._record is None:
            self._calls.append(call)
        else:
            self._record.note("asked", call=call)

    def _time_left_s(self) -> float:
        return inf if self._record is None else self._record.time_left_s()

    def _left(self) -> str:
        """What is left of the budgets, in words without any time, so that a replay asks the same."""
        settings, left = self._asking.settings, []
        tokens = sum(call.prompt_tokens + call.completion_tokens for call in self._spent)
        prices = [call.cost_usd for call in self._spent]
        if settings.budget_tokens is not None:
            left.append(f"{max(0, settings.budget_tokens - tokens):,} of {settings.budget_tokens:,} tokens")
        if settings.budget_usd is not None and None not in prices:
            usd = settings.budget_usd - sum(price or 0.0 for price in prices)
            left.append(f"${max(0.0, usd):.2f} of ${settings.budget_usd:.2f}")
        return " and ".join(left)


def _unnoted(path: Path, noted: int) -> list[Call]:
    """Calls that the transcript at ``path`` has beyond the first ``noted``; an unfinished last line is none."""
    if not path.exists():
        return []
    Transcript(path).close()  # cuts off what a killed process left unfinished
    found = [line.call(written) for line, written in lines(path)]
    if len(found) < noted:
        raise UsageError(f"the transcript {path} has fewer lines than the journal knows of", "take it from a backup")
    return found[noted:]
