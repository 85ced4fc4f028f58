"""A language model that plays a list of answers, in their order, and keeps the questions that it was asked.

It answers as the protocol says and nothing more: there is no server behind it, no budget and no second try.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from fumehood.errors import LlmError
from fumehood.llm.model import Question

T = TypeVar("T")
Answer = str | Mapping[str, Any] | Exception | Callable[[Question[Any]], Any]


class ScriptedModel:
    """Text for questions that want text, mappings for those that want an object; exceptions are raised.

    A function is called with the question and gives the answer.
    """

    name = "scripted"

    def __init__(self, answers: Sequence[Answer] = ()) -> None:
        self._answers = list(answers)
        self.questions: list[Question[Any]] = []

    def ask(self, question: Question[T]) -> T:
        self.questions.append(question)
        if not self._answers:
            raise LlmError("the script is over", "write more answers")
        answer = self._answers.pop(0)
        if callable(answer):
            answer = answer(question)
        if isinstance(answer, Exception):
            raise answer
        if issubclass(question.reply, BaseModel):
            return question.reply.model_validate(answer)
        if not isinstance(answer, str):
            raise TypeError(f"text is asked for, and the script has {answer!r}")
        return cast(T, answer)

    @property
    def left(self) -> int:
        """Answers that nobody asked for."""
        return len(self._answers)

    def told(self, number: int = -1) -> str:
        """All that the question with this place in order was put with."""
        return "\n\n".join(message.content for message in self.questions[number].messages)
