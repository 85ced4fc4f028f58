"""Answers from a transcript instead of a model: no network, no LiteLLM, the same decisions.

Answers come in the order in which they were given. What was asked for has to be what was asked for then; that the words
of a question are others is counted, because a changed prompt is what one wants to look at. Lines are handed on to the
new run's transcript as they are, so that its journal says the same.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from fumehood.errors import BudgetError, LlmError, UsageError
from fumehood.llm import answering
from fumehood.llm.answering import Asked, Read, Reply
from fumehood.llm.model import Question
from fumehood.llm.parsing import Unreadable
from fumehood.llm.transcript import Line, Pages
from fumehood.llm.transcript import lines as transcript_lines
from fumehood.records import Call
from fumehood.text import plain

T = TypeVar("T")

_HINT: Final = "give a run's logs/llm.jsonl"


class Replay:
    """A ``LanguageModel`` that answers from the file at ``source``.

    Every line is told of to ``on_call`` and added to ``transcript``, where one is given. ``skip``: how many lines an
    earlier process of the same run took already. Raises UsageError for a file that is no transcript, or that holds
    fewer lines.
    """

    def __init__(
        self,
        source: Path,
        on_call: Callable[[Call], None],
        transcript: Pages | None = None,
        *,
        skip: int = 0,
    ) -> None:
        self._source, self._on_call, self._transcript = source, on_call, transcript
        self._lines = transcript_lines(source)
        first = next(transcript_lines(source), None)
        if first is None:
            raise UsageError(f"the transcript {_shown(source)} holds no question", _HINT)
        self._name = first[0].model
        self._differing = 0
        self._taken = 0
        for _ in range(skip):
            if next(self._lines, None) is None:
                raise UsageError(f"the transcript {_shown(source)} is shorter than it was", "give the same file again")
            self._taken += 1

    @property
    def name(self) -> str:
        """Of the model that answered then."""
        return self._name

    @property
    def differing(self) -> int:
        """Questions that were put in other words than then."""
        return self._differing

    def ask(self, question: Question[T]) -> T:
        """See ``LanguageModel``. Raises LlmError where the transcript is at its end or tells of another question."""
        return answering.answer(question, self)

    def carry(self, asked: Asked, read: Read[T]) -> T | Unreadable:
        """The reply that was given then. What failed then fails again, with the same words."""
        while True:
            line, written = self._next(asked)
            self._differing += line.end != "retried" and not _same_words(line, asked)
            if self._transcript is not None:
                self._transcript.append(written)
            self._on_call(line.call(written))
            if line.end == "budget":
                raise BudgetError(line.failure, line.hint)
            if line.end == "failed":
                raise LlmError(line.failure, line.hint)
            if line.end == "answered":
                return read(Reply(line.reply or "", line.finish, line.prompt_tokens))

    def _next(self, asked: Asked) -> tuple[Line, bytes]:
        following = next(self._lines, None)
        self._taken += 1
        if following is None:
            raise LlmError(
                f"the transcript {_shown(self._source)} ends after {self._taken - 1} calls, and a question for "
                f"{asked.purpose} follows",
                "the program or its settings changed since: replay with those of then, or ask a model",
            )
        line, _ = following
        if line.purpose != asked.purpose:
            raise LlmError(
                f"call {line.number} of the transcript {_shown(self._source)} was for {plain(line.purpose, 60)}, and "
                f"now a question for {asked.purpose} is asked",
                "the program or its settings changed since: replay with those of then, or ask a model",
            )
        return following


def _same_words(line: Line, asked: Asked) -> bool:
    return [(one.role, one.content) for one in line.messages] == [(one.role, one.content) for one in asked.messages]


def _shown(path: Path) -> str:
    return plain(str(path), 200)
