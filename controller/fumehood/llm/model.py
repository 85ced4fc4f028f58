"""What can be asked, and what comes back: the boundary between research and whoever answers."""

from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from fumehood.records import Phase

T = TypeVar("T")


@dataclass(frozen=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Question(Generic[T]):
    """``reply``: the type of the answer; ``str`` is text as it comes, a pydantic model is an object that fits it."""

    purpose: str
    phase: Phase
    messages: tuple[Message, ...]
    reply: type[T]
    max_tokens: int = 4096
    """Of the answer."""


class LanguageModel(Protocol):
    """Answers questions, one at a time."""

    @property
    def name(self) -> str:
        """Of the model, as it is shown."""
        ...

    def ask(self, question: Question[T]) -> T:
        """The answer.

        Raises ``UnusableAnswerError`` where what came back does not fit even after a second try, ``LlmError`` where
        nothing came back, and ``BudgetError`` before a question that the budget may not cover.
        """
        ...
