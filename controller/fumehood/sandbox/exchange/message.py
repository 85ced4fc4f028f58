"""JSON from a room becomes a typed message, in at most 64 MB whatever it holds.

Four steps, each of which bounds the next: the size; the number of values and the depth, counted without parsing; the
parse into plain values, where a key that comes twice or a table that is too large is seen; the model. A message is
validated after it was read and not while it is, because a validator that reads JSON copies its input into every error
that it notes.
"""

from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from fumehood.sandbox.exchange.rejected import Rejected
from fumehood.text import plain
from fumehood_shared import caps, json_tokens

_M = TypeVar("_M", bound=BaseModel)
_CONTAINERS = (dict, list, tuple)
_LISTED = 100
"""With more faults none is named, because to name one costs as much memory as to name all."""


def parse(raw: bytes, model: type[_M], cap: int) -> _M:
    """Strict JSON to a message: size, depth and number of values capped, no duplicate keys, no NaN, no unknown fields,
    exact types. Raises Rejected.
    """
    if len(raw) > cap:
        raise Rejected(f"a message of {len(raw)} bytes, at most {cap} agreed")
    value = strict_json(raw, "a message")
    _check_tables(value)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        why = _first_fault(error)
    raise Rejected(f"a message does not fit {model.__name__}: {why}")


def strict_json(raw: bytes, what: str) -> Any:
    """Objects, numbers, strings, and tuples for arrays; Rejected begins with ``what`` it was to be."""
    counted = json_tokens.count(raw, caps.JSON_TOKENS)
    if counted.tokens > caps.JSON_TOKENS or counted.containers > caps.JSON_CONTAINERS:
        raise Rejected(f"{what} has too many values")
    if counted.depth > caps.JSON_DEPTH:
        raise Rejected(f"{what} is not strict JSON: nested too deeply")
    try:
        value = from_json(raw, allow_inf_nan=False, cache_strings="none")
    except ValueError as error:
        raise Rejected(f"{what} is not strict JSON") from error
    # Of a key that comes twice the parser keeps the last, so that there are fewer keys than were counted.
    if sum(len(one) for one in _containers(value) if isinstance(one, dict)) != counted.keys:
        raise Rejected(f"{what} is not strict JSON: a key comes twice")
    return _with_tuples(value)


def _containers(value: Any) -> Iterator[Any]:
    """Every object and array in ``value``, itself included."""
    waiting = [value] if isinstance(value, _CONTAINERS) else []
    while waiting:
        one = waiting.pop()
        yield one
        children = one.values() if isinstance(one, dict) else one
        waiting.extend(child for child in children if isinstance(child, _CONTAINERS))


def _with_tuples(value: Any) -> Any:
    """``value`` with its arrays as the tuples that messages are made of, its objects changed in place."""
    if isinstance(value, dict):
        for name, child in value.items():
            value[name] = _with_tuples(child)
        return value
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def _check_tables(value: Any) -> None:
    """A large object is a table of plain values, and there are few of them."""
    left = caps.JSON_TABLE_KEYS
    for one in _containers(value):
        if isinstance(one, dict) and len(one) > caps.JSON_FIELDS:
            left -= len(one)
            if left < 0 or any(isinstance(child, _CONTAINERS) for child in one.values()):
                raise Rejected("a message has an object with too many keys")


def _first_fault(error: ValidationError) -> str:
    if error.error_count() > _LISTED:
        return f"{error.error_count()} faults"
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(plain(str(part), 40) for part in first['loc'])}: {first['type']}"
