"""A configuration followed from input to output: every layer's step, with shapes, parameters and cost.

Three repairs are made, each written into the emitted file as a note: channels are flattened before a Linear layer,
a Softmax, Sigmoid or the like at the very end is left out because outputs are raw logits or values, and a missing
output layer is appended. A last Linear layer that *states* another number of outputs is refused, because that is a
contradiction and not an omission. Anything that does not fit is an ``AssemblyError`` naming layer, expected and given.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fumehood.assembly.arguments import Values, read
from fumehood.assembly.blocks.image import TYPES as IMAGE_TYPES
from fumehood.assembly.configuration import Configuration, Layer, parse
from fumehood.assembly.errors import AssemblyError, LayerMisfitError
from fumehood.assembly.layer import LayerType, Step
from fumehood.assembly.layers.activation import SQUASHERS
from fumehood.assembly.layers.linear import TYPES as LINEAR_TYPES
from fumehood.assembly.layers.reshaping import TYPES as RESHAPING_TYPES
from fumehood.assembly.shapes import MAX_VALUES, Signal

MAX_PARAMETERS: Final = 2**31


@dataclass(frozen=True)
class Line:
    """One line of the forward pass: a step, the type it came from, and a note on what the assembler added."""

    kind: LayerType
    step: Step
    note: str = ""


@dataclass(frozen=True)
class Trace:
    """A whole model, as far as it can be known without torch."""

    class_name: str
    input_shape: tuple[int, ...]
    num_outputs: int
    lines: tuple[Line, ...]
    notes: tuple[str, ...]

    @property
    def parameters(self) -> int:
        return sum(line.step.parameters for line in self.lines)

    @property
    def stored(self) -> int:
        """What the limit of a goal counts: parameters and buffers, max(elements, bytes / 4)."""
        return self.parameters + sum(line.step.stored for line in self.lines)

    @property
    def multiply_adds(self) -> int:
        """Of one example's forward pass."""
        return sum(line.step.multiply_adds for line in self.lines)


def trace(model_config: Mapping[str, Any]) -> Trace:
    """Follow ``model_config`` from input to output. Raises AssemblyError."""
    config = parse(model_config)
    layers, notes = _without_squashers(config.layers)
    signal = _entry(config, layers)
    lines: list[Line] = []
    for layer in layers:
        added = _lines(layer, signal, config, is_last=layer is layers[-1])
        lines += added
        signal = added[-1].step.output
        _check_size(layer, signal, lines)
    lines += _head(config, layers[-1], signal)
    outputs = lines[-1].step.output.shape[0]
    return Trace(config.class_name, config.input_shape, outputs, tuple(lines), notes)


def _entry(config: Configuration, layers: tuple[Layer, ...]) -> Signal:
    """The input's meaning: token indices if an Embedding reads a flat input, else features or channels."""
    if len(config.input_shape) > 1:
        return Signal(config.input_shape, "channels")
    return Signal(config.input_shape, "indices" if layers[0].kind.name == "Embedding" else "features")


def _without_squashers(layers: tuple[Layer, ...]) -> tuple[tuple[Layer, ...], tuple[str, ...]]:
    notes: list[str] = []
    while layers[-1].kind.name in SQUASHERS:
        last, layers = layers[-1], layers[:-1]
        notes.append(f"Layer {last.number}, {last.kind.name}, is left out: outputs are raw logits or values.")
        if not layers:
            raise AssemblyError(f"Layer 1 ({last.kind.name}) alone is no model.", "Add a layer before it.")
    return layers, tuple(notes)


def _lines(layer: Layer, signal: Signal, config: Configuration, *, is_last: bool) -> list[Line]:
    lines: list[Line] = []
    if _wants_flat(layer, signal):
        lines.append(
            Line(_FLATTEN, _apply(layer, _FLATTEN, read(_FLATTEN.arguments, {}), signal), "flattened for Linear")
        )
        signal = lines[-1].step.output
    values = layer.values
    if is_last and layer.kind.name == "Linear" and values["out_features"] is None and config.num_outputs:
        values = Values({**values, "out_features": config.num_outputs})
    return [*lines, Line(layer.kind, _apply(layer, layer.kind, values, signal))]


def _wants_flat(layer: Layer, signal: Signal) -> bool:
    """A Linear layer after channels means their flattened values, unless it states the size of their last axis."""
    if layer.kind.name != "Linear" or signal.layout != "channels":
        return False
    stated = layer.values["in_features"]
    return stated is None or stated == signal.size or stated != signal.shape[-1]


def _apply(layer: Layer, kind: LayerType, values: Values, signal: Signal) -> Step:
    try:
        if signal.layout == "indices" and kind.name != "Embedding":
            raise LayerMisfitError("it cannot read token indices", "Start with an Embedding.")
        return kind.rule(signal, values)
    except LayerMisfitError as misfit:
        raise AssemblyError(f"Layer {layer.number} ({layer.kind.name}): {misfit.what}.", misfit.hint) from None


def _check_size(layer: Layer, signal: Signal, lines: list[Line]) -> None:
    where = f"Layer {layer.number} ({layer.kind.name})"
    if signal.size > MAX_VALUES:
        raise AssemblyError(f"{where}: one example would be {signal.size} values; at most {MAX_VALUES} are allowed.")
    total = sum(line.step.parameters for line in lines)
    if total > MAX_PARAMETERS:
        raise AssemblyError(f"{where}: the model would have {total} parameters by here; at most {MAX_PARAMETERS}.")


def _head(config: Configuration, last: Layer, signal: Signal) -> list[Line]:
    """Nothing where the outputs fit; else pooling to a vector where needed, and a Linear layer."""
    wanted = config.num_outputs
    if len(signal.shape) == 1 and wanted in (None, signal.shape[0]):
        return []
    if wanted is None:
        raise AssemblyError(
            f"Layer {last.number} ({last.kind.name}) ends the model with {signal}; expected a flat vector of outputs.",
            "Give num_outputs, or end with a Linear layer.",
        )
    if last.kind.name == "Linear" and len(signal.shape) == 1:
        raise AssemblyError(
            f"Layer {last.number} (Linear) gives {signal.shape[0]} outputs; expected num_outputs, {wanted}.",
            f"Set its out_features to {wanted}, or leave out_features out of the last layer.",
        )
    lines: list[Line] = []
    if len(signal.shape) > 1:
        lines.append(Line(_POOL, _apply(last, _POOL, Values(), signal), "added: one vector per example"))
        signal = lines[-1].step.output
    values = read(_LINEAR.arguments, {"out_features": wanted})
    return [*lines, Line(_LINEAR, _apply(last, _LINEAR, values, signal), "added: the output layer")]


_FLATTEN = next(kind for kind in RESHAPING_TYPES if kind.name == "Flatten")
_LINEAR = next(kind for kind in LINEAR_TYPES if kind.name == "Linear")
_POOL = next(kind for kind in IMAGE_TYPES if kind.name == "global_average_pool")
