"""Values of a configuration, parsed once into exactly the types the assembler can write down.

A configuration may have been written by anybody. Every value ends up as an ``int``, ``float``, ``bool``, a tuple of
ints, or one string of a fixed list; anything else is a ``LayerMisfitError`` that says what was expected.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from fumehood.assembly.errors import LayerMisfitError
from fumehood.text import plain

Value = int | float | bool | str | tuple[int, ...] | None
Parser = Callable[[Any], Value]

MAX_WIDTH: Final = 2**17
"""Features or channels of one layer."""
MAX_KERNEL: Final = 1024


@dataclass(frozen=True)
class Argument:
    """One setting of a layer type: its name in torch, other accepted names, how to parse it, what it is if absent.

    ``default`` None means "not given": the layer's rules infer it or demand it.
    """

    name: str
    parse: Parser
    default: Value = None
    aliases: tuple[str, ...] = ()


class Values(dict[str, Value]):
    """Parsed settings of one layer, with typed access."""

    def whole(self, name: str) -> int:
        value = self[name]
        if not isinstance(value, int):
            raise LayerMisfitError(f"{name} is missing", f"Give {name} as a whole number.")
        return value

    def maybe(self, name: str) -> int | None:
        value = self[name]
        return value if isinstance(value, int) else None

    def real(self, name: str) -> float:
        value = self[name]
        if not isinstance(value, int | float):
            raise LayerMisfitError(f"{name} is missing", f"Give {name} as a number.")
        return value

    def flag(self, name: str) -> bool:
        return bool(self[name])

    def word(self, name: str) -> str:
        value = self[name]
        if not isinstance(value, str):
            raise LayerMisfitError(f"{name} is missing", f"Give {name} as a word.")
        return value

    def along(self, name: str, axes: int) -> tuple[int, ...]:
        """A setting per axis: one number stands for all axes."""
        value = self[name]
        if isinstance(value, int):
            return (value,) * axes
        if not isinstance(value, tuple):
            raise LayerMisfitError(f"{name} is missing", f"Give {name} as a whole number or a list of {axes}.")
        if len(value) != axes:
            raise LayerMisfitError(f"{name} has {len(value)} numbers; expected one or {axes}")
        return value


def shown(value: Any) -> str:
    """A foreign value as short text for a message."""
    try:
        return plain(repr(value), 60)
    except (ValueError, RecursionError):  # an int of thousands of digits, or a list without end
        return f"a {type(value).__name__} too large to show"


def whole(low: int = 1, high: int = MAX_WIDTH) -> Parser:
    """A whole number between ``low`` and ``high``, both included; 64.0 counts, True does not."""

    def parse(value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise LayerMisfitError(f"expected a whole number from {low} to {high}, got {shown(value)}")
        return value

    return parse


def real(low: float, high: float) -> Parser:
    """A finite number between ``low`` and ``high``, both included."""

    def parse(value: Any) -> float:
        good = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        if not good or not math.isfinite(value):
            raise LayerMisfitError(f"expected a number from {low:g} to {high:g}, got {shown(value)}")
        return float(value)

    return parse


def flag(value: Any) -> bool:
    """True or False, nothing else."""
    if not isinstance(value, bool):
        raise LayerMisfitError(f"expected true or false, got {shown(value)}")
    return value


def only_true(value: Any) -> bool:
    """True; for settings of torch that have one useful value here, such as ``batch_first``."""
    if value is not True:
        raise LayerMisfitError("only true is known here: the batch is always the first axis")
    return True


def word(*options: str) -> Parser:
    """One of ``options``, in any capitalisation."""

    def parse(value: Any) -> str:
        if not isinstance(value, str) or value.lower() not in options:
            raise LayerMisfitError(f"expected one of {', '.join(options)}, got {shown(value)}")
        return value.lower()

    return parse


def per_axis(low: int = 1, high: int = MAX_KERNEL, longest: int = 2) -> Parser:
    """A whole number, or a list of up to ``longest`` of them, one per axis."""
    one = whole(low, high)

    def parse(value: Any) -> int | tuple[int, ...]:
        if not isinstance(value, list | tuple):
            number = one(value)
            return number if isinstance(number, int) else 0
        if not 1 <= len(value) <= longest:
            raise LayerMisfitError(f"expected one number or a list of up to {longest}, got {shown(value)}")
        numbers = tuple(n for n in map(one, value) if isinstance(n, int))
        return numbers[0] if len(numbers) == 1 else numbers

    return parse


def either(*parsers: Parser) -> Parser:
    """The first parser that accepts the value; the last one's complaint if none does."""

    def parse(value: Any) -> Value:
        for parser in parsers[:-1]:
            try:
                return parser(value)
            except LayerMisfitError:
                continue
        return parsers[-1](value)

    return parse


def read(arguments: tuple[Argument, ...], given: Mapping[str, Any]) -> Values:
    """Parse ``given`` against ``arguments``; an unknown or doubled name is refused with the nearest known one."""
    by_name = {n: a for a in arguments for n in (a.name, *a.aliases)}
    values = Values({a.name: a.default for a in arguments})
    seen: set[str] = set()
    for name, value in given.items():
        argument = by_name.get(name) or by_name.get(str(name).lower())
        if argument is None:
            raise _unknown(str(name), by_name, arguments)
        if argument.name in seen:
            raise LayerMisfitError(f"{argument.name} is given twice, under two names", "Keep one of them.")
        seen.add(argument.name)
        values[argument.name] = _parsed(argument, value)
    return values


def _parsed(argument: Argument, value: Any) -> Value:
    if value is None:
        return argument.default
    try:
        return argument.parse(value)
    except LayerMisfitError as misfit:
        raise LayerMisfitError(f"{argument.name}: {misfit.what}", misfit.hint) from None


def _unknown(name: str, by_name: Mapping[str, Argument], arguments: tuple[Argument, ...]) -> LayerMisfitError:
    near = get_close_matches(name.lower(), list(by_name), n=1, cutoff=0.5)
    guess = f"; perhaps {near[0]} is meant" if near else ""
    known = ", ".join(a.name for a in arguments) or "none"
    return LayerMisfitError(f"it has no setting {shown(name)}{guess}", f"Its settings: {known}.")
