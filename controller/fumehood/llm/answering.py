"""A question and its answer, whoever carries them: the form is told, and one more chance given where it is not kept.

The client puts questions to servers and a replay takes answers from a transcript; both go through here, and so come to
the same decisions.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeVar

from pydantic import BaseModel

from fumehood.errors import UnusableAnswerError
from fumehood.llm import parsing
from fumehood.llm.model import Message, Question
from fumehood.llm.parsing import Unreadable
from fumehood.llm.price import estimate
from fumehood.records import Phase
from fumehood.text import clip, plain

T = TypeVar("T")
_QUOTED: Final = 4000
"""Characters of an unusable answer that are repeated to whoever gave it."""
_LONG: Final = 3000
_CUT: Final = 0.3
_CUT_OFF: Final = (
    "its server seems to have read only a part of the question: give the model a larger context (Ollama: "
    "OLLAMA_CONTEXT_LENGTH=16384 ollama serve)"
)


@dataclass(frozen=True)
class Reply:
    text: str
    finish: str
    """Why the model stopped: stop, length ..."""
    prompt_tokens: int
    """Of the question, as the server counts them; 0 where it does not."""


@dataclass(frozen=True)
class Asked:
    """A question as it goes over the wire."""

    purpose: str
    phase: Phase
    messages: tuple[Message, ...]
    schema: dict[str, Any] | None
    """JSON schema of the answer; None where text is asked for."""
    max_tokens: int


Read = Callable[[Reply], T | Unreadable]


class Carrier(Protocol):
    def carry(self, asked: Asked, read: Read[T]) -> T | Unreadable:
        """Put the question, and read the reply. Raises as ``LanguageModel.ask`` does where there is none."""
        ...


def answer(question: Question[T], carrier: Carrier) -> T:
    """The answer to ``question``. Raises UnusableAnswerError where the second one does not fit, either."""
    seen: list[Reply] = []

    def read(reply: Reply) -> T | Unreadable:
        seen.append(reply)
        return parsing.parse(reply.text, reply.finish, question.reply)

    asked = worded(question)
    first = carrier.carry(asked, read)
    if not isinstance(first, Unreadable):
        return first
    again = _follow_up(asked, seen[-1], first)
    second = carrier.carry(again, read)
    if not isinstance(second, Unreadable):
        return second
    what = (
        f"the language model gave no usable answer to a question for {question.purpose}, even after it was told why: "
        f"{plain(second.why, 400)}"
    )
    hint = "a larger model, or one that can be held to a JSON schema, keeps to the form; logs/llm.jsonl has its words"
    raise UnusableAnswerError(what, _CUT_OFF if _was_cut_off(again, seen[-1]) else hint)


def _was_cut_off(asked: Asked, reply: Reply) -> bool:
    """Whether the server counts far fewer tokens than the question has: some cut it off, and say nothing."""
    length = sum(estimate(one.content) for one in asked.messages)
    return length > _LONG and 0 < reply.prompt_tokens < _CUT * length


def worded(question: Question[T]) -> Asked:
    """The question with the form of its answer in words, for servers that cannot be given a schema, or ignore it."""
    schema: dict[str, Any] | None = None
    messages = question.messages
    if issubclass(question.reply, BaseModel):
        schema = question.reply.model_json_schema()
        form = json.dumps(schema, separators=(",", ":"), ensure_ascii=False)
        told = f"Answer with one JSON object and nothing else. It fits this JSON schema:\n{form}"
        messages = (*messages[:-1], replace(messages[-1], content=f"{messages[-1].content}\n\n{told}"))
    return Asked(question.purpose, question.phase, messages, schema, question.max_tokens)


def _follow_up(asked: Asked, reply: Reply, unreadable: Unreadable) -> Asked:
    form = "the JSON object" if asked.schema is not None else "your answer"
    told = Message("user", f"{unreadable.why}\n\nGive {form} again, complete and corrected, and nothing else.")
    said = (Message("assistant", clip(reply.text, _QUOTED)),) if reply.text.strip() else ()
    return replace(asked, messages=(*asked.messages, *said, told))
