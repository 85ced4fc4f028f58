"""An answer's text to a value of the type that was asked for, or the reason why not. Pure.

Models put fences, prose and thoughts around the object that they were asked for, and a comma behind its last item.
All of that is looked past; nothing inside the object is ever rewritten, completed or guessed.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from pydantic import BaseModel, ValidationError

T = TypeVar("T")

_MOST_OBJECTS: Final = 1000
"""Opening braces that are looked at in one answer."""
_MOST_COMMAS: Final = 8
_NO_COMMA: Final = -1
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Unreadable:
    """``why`` an answer is not one, in words for whoever gave it."""

    why: str


def readable(text: str) -> str:
    """``text`` without halves of characters, which no file and no other server takes."""
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def parse(text: str, finish: str, reply: type[T]) -> T | Unreadable:
    """The answer in ``text``. ``finish`` is why the model stopped; ``length`` is that it was cut off."""
    if not text.strip():
        why = " because your answer was cut off before it began" if finish == "length" else ""
        return Unreadable(f"Your answer was empty{why}.")
    if reply is str:
        if finish == "length":
            return Unreadable("Your answer was cut off because it was too long. Give a shorter one, complete.")
        return cast(T, text)
    if not issubclass(reply, BaseModel):
        raise TypeError(f"an answer is text or a pydantic model, not {reply!r}")
    found = _read(text, reply)
    if isinstance(found, Unreadable) and finish == "length":
        return Unreadable("Your answer was cut off because it was too long. Give a shorter one, complete.")
    return cast(T | Unreadable, found)


def _read(text: str, reply: type[BaseModel]) -> BaseModel | Unreadable:
    """The last object in ``text`` that fits: what a model says before it is what it thought of."""
    objects, problem = _objects(text)
    if not objects:
        return Unreadable(f"There is no JSON object in your answer: {problem}")
    misfit = ""
    for found in reversed(objects):
        try:
            return reply.model_validate(found)
        except ValidationError as error:
            misfit = misfit or _misfits(error)
    return Unreadable(misfit)


def _misfits(error: ValidationError) -> str:
    """The first few things that do not fit, each on a line; values are quoted shortly."""
    lines = [
        f"- {'.'.join(map(str, one['loc'])) or 'the object'}: {one['msg']}"
        for one in error.errors(include_url=False, include_input=False)[:10]
    ]
    return "The JSON object in your answer does not fit:\n" + "\n".join(lines)


def _objects(text: str) -> tuple[list[dict[str, Any]], str]:
    """Every outermost JSON object in ``text``, in order; and what is wrong with the first brace that begins none."""
    found: list[dict[str, Any]] = []
    problem, at, tried = "it has no opening brace.", text.find("{"), 0
    while at >= 0 and tried < _MOST_OBJECTS:
        tried += 1
        value, end, wrong = _object_at(text, at)
        if value is not None:
            found.append(value)
        elif tried == 1:
            problem = wrong
        at = text.find("{", end)
    return found, problem


def _object_at(text: str, at: int) -> tuple[dict[str, Any] | None, int, str]:
    """The object that begins at ``at``, where to look on, and what is wrong with it."""
    for _ in range(_MOST_COMMAS + 1):
        try:
            value, end = _DECODER.raw_decode(text, at)
        except json.JSONDecodeError as error:
            comma = _trailing_comma(text, error.pos)
            if comma == _NO_COMMA:
                return None, at + 1, f"{error.msg} at character {error.pos}."
            # A blank in its place, so that every position stays what it was.
            text = f"{text[:comma]} {text[comma + 1 :]}"
        except (ValueError, RecursionError) as error:
            return None, at + 1, f"{error}."
        else:
            if _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
                return None, end, "there is half a character in it."
            return value, end, ""
    return None, at + 1, "too many commas with nothing behind them."


def _trailing_comma(text: str, at: int) -> int:
    """Where a comma stands that closes nothing, if that is what stopped the decoder at ``at``; else ``_NO_COMMA``.

    A decoder stops between values, never within one, so no comma of a string is meant. Which of the two, the comma or
    the bracket behind it, it stops at depends on Python's version.
    """
    comma = at if text[at : at + 1] == "," else len(text[:at].rstrip()) - 1
    if comma < 0 or text[comma] != ",":
        return _NO_COMMA
    before, behind = text[max(comma - 200, 0) : comma].rstrip()[-1:], text[comma + 1 : comma + 200].lstrip()[:1]
    return comma if behind in ("}", "]") and behind and before not in (",", "{", "[") else _NO_COMMA


def _refuse_constant(name: str) -> Iterator[None]:
    raise ValueError(f"{name} is no JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)
