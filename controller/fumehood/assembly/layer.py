"""What a layer type is to the assembler: names, settings, and one rule from input signal to ``Step``."""

from collections.abc import Callable
from dataclasses import dataclass, field

from fumehood.assembly.arguments import Argument, Values
from fumehood.assembly.shapes import Signal


@dataclass(frozen=True)
class Symbol:
    """A name of the emitted file, such as ``nn.GELU``, written without quotes. Only the assembler makes these."""

    name: str


Literal = int | float | bool | str | tuple[int, ...] | Symbol


@dataclass(frozen=True)
class Call:
    """A constructor call: what is called, its positional arguments, its keyword arguments."""

    target: str
    positional: tuple[Literal, ...] = ()
    keywords: dict[str, Literal] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One line of the forward pass with everything that is known about it before torch sees it."""

    call: Call | None
    """None where the forward expression needs no module."""
    output: Signal
    parameters: int = 0
    """Trainable values, exactly as ``sum(p.numel() for p in model.parameters())`` counts them."""
    stored: int = 0
    """Buffers in the unit of the parameter limit: max(elements, bytes / 4)."""
    multiply_adds: int = 0
    """Multiplications of one example's forward pass; the usual measure of cost."""
    use: str = "{layer}(x)"
    """The forward expression."""


@dataclass(frozen=True)
class LayerType:
    """A layer or block that a configuration may name. ``attribute`` is the stem of its name in the emitted class."""

    name: str
    attribute: str
    rule: Callable[[Signal, Values], Step]
    arguments: tuple[Argument, ...] = ()
    aliases: tuple[str, ...] = ()
    source: str = ""
    """Source of the class, for blocks that torch does not have."""


def changed(values: Values, defaults: dict[str, Literal]) -> dict[str, Literal]:
    """Those of ``values`` that differ from torch's own defaults, so that emitted calls stay short."""
    kept: dict[str, Literal] = {}
    for name, default in defaults.items():
        value = values[name]
        if value is not None and value != default:
            kept[name] = value
    return kept
