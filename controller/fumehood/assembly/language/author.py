"""The author that asks a language model for whole candidate files."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from fumehood import failures
from fumehood.assembly.author import TemplateAuthor
from fumehood.assembly.language import facts, source, traces
from fumehood.assembly.language.room import TrainRoom
from fumehood.assembly.language.source import NoSourceError
from fumehood.errors import InternalError, UnusableAnswerError
from fumehood.failures import Told
from fumehood.llm import prompts
from fumehood.llm.model import LanguageModel, Message, Question
from fumehood.records import Dataset, Goal, Iteration, Phase, Plan
from fumehood.text import clip, plain

_PACKAGE: Final = "fumehood.assembly.language"
_MAX_TOKENS: Final = 8192
_REPEATED: Final = 20_000
"""Characters of an unusable answer that are shown to who gave it."""


class LanguageAuthor:
    """Plans with a ``model_config`` go to the template; for others the model writes the file.

    ``sources``: the source of an iteration, by its number. ``phase``: of a run, by its history. ``tell_names``: whether
    the model may be told what the user's data call things.
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        room: TrainRoom,
        sources: Callable[[int], str],
        phase: Callable[[Sequence[Iteration]], Phase],
        tell_names: bool = True,
    ) -> None:
        self._model, self._room, self._sources, self._phase = model, room, sources, phase
        self._tell_names = tell_names
        self._template = TemplateAuthor()

    def write(self, plan: Plan, goal: Goal, dataset: Dataset, history: Sequence[Iteration]) -> str:
        """The source. Raises as ``LanguageModel.ask`` does, and UnusableAnswerError for what is no source twice.

        A source that an earlier iteration has already is asked for once more; what comes then is what it is.
        """
        if plan.model_config_ is not None:
            return self._template.write(plan, goal, dataset, history)
        request = Request(
            self._model,
            "repair" if plan.move == "fix" else "code",
            self._phase(history),
            (Message("system", self._contract(dataset)), Message("user", self._task(plan, goal, dataset, history))),
        )
        written = request.source()
        earlier = _same(written, history)
        if earlier is None:
            return written
        return request.again(
            written,
            f"This is the very source of iteration {earlier}, whose result is known. Write one that differs in what "
            "it does.",
        ).source()

    def _contract(self, dataset: Dataset) -> str:
        return prompts.fill(
            _PACKAGE, "system.md.j2", room=self._room.lines(), task=dataset.task.value, kind=dataset.input_kind.value
        )

    def _task(self, plan: Plan, goal: Goal, dataset: Dataset, history: Sequence[Iteration]) -> str:
        parent = _parent(plan, history)
        failure = _failure(parent) if plan.move == "fix" else None
        return prompts.fill(
            _PACKAGE,
            "task.md.j2",
            plan=plan,
            design=plan.design.split("\n"),
            goal=goal,
            goal_lines=facts.goal_lines(goal),
            data_lines=facts.data_lines(dataset),
            names=facts.names(dataset) if self._tell_names else "",
            parent_source="" if parent is None else self._sources(parent.number),
            failure=failure,
            failure_text=_text(failure) if failure else "",
            earlier=_earlier(parent, history) if plan.move == "fix" else (),
        )


class Request:
    """A conversation that is to end in a source."""

    def __init__(self, model: LanguageModel, purpose: str, phase: Phase, messages: tuple[Message, ...]) -> None:
        self._model, self._purpose, self._phase, self._messages = model, purpose, phase, messages
        self.questions = 0
        """Put so far."""

    def source(self, check: Callable[[str], str] = lambda _source: "") -> str:
        """The answer's source, after at most one question more. ``check`` says what is wrong with one, or nothing."""
        for _ in range(2):
            reply = self._asked()
            try:
                found = source.taken(reply)
                why = check(found)
            except NoSourceError as error:
                why = str(error)
            if not why:
                return found
            self._follow_up(reply, f"{why} Give the whole file again, corrected, in one fenced block.")
        raise UnusableAnswerError(
            f"the language model wrote no usable source, even after it was told why: {plain(why, 300)}",
            "logs/llm.jsonl has its words; a larger model may do better",
        )

    def again(self, answer: str, why: str) -> "Request":
        """The same, with ``answer`` refused because of ``why``."""
        self._follow_up(answer, why)
        return self

    def _asked(self) -> str:
        self.questions += 1
        return self._model.ask(Question(self._purpose, self._phase, self._messages, str, _MAX_TOKENS))

    def _follow_up(self, answer: str, why: str) -> None:
        said = Message("assistant", clip(answer, _REPEATED) or "(nothing)")
        self._messages = (*self._messages, said, Message("user", why))


def _parent(plan: Plan, history: Sequence[Iteration]) -> Iteration | None:
    if plan.parent is None:
        return None
    if not 1 <= plan.parent <= len(history):
        raise InternalError(f"a plan begins from iteration {plan.parent}, of which nothing is known")
    return history[plan.parent - 1]


def _failure(parent: Iteration | None) -> Told | None:
    return failures.told(parent.envelope) if parent else None


def _text(failure: Told) -> str:
    """Message and traceback; most tracebacks end with the message."""
    trace = traces.trimmed(failure.traceback)
    return trace if failure.message in trace else f"{failure.message}\n{trace}".strip()


def _earlier(parent: Iteration | None, history: Sequence[Iteration]) -> list[str]:
    """Signatures of the failures before the parent's, in the chain of fixes that led to it, the first one first."""
    found: list[str] = []
    while parent is not None and parent.plan.move == "fix":
        parent = _parent(parent.plan, history)
        told = _failure(parent)
        if told is not None:
            found.insert(0, told.signature)
    return found


def _same(written: str, history: Sequence[Iteration]) -> int | None:
    """Number of the first iteration with this source."""
    digest = hashlib.sha256(written.encode()).hexdigest()
    return next((one.number for one in history if one.source_digest == digest), None)
