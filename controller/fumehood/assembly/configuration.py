"""A ``model_config`` parsed: class name, input shape, outputs, and layers with validated settings.

Parsing only; whether the layers fit each other is decided in ``trace``.
"""

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final

from fumehood.assembly import catalog
from fumehood.assembly.arguments import Values, read, shown, whole
from fumehood.assembly.errors import AssemblyError, LayerMisfitError
from fumehood.assembly.layer import LayerType
from fumehood.assembly.shapes import MAX_VALUES
from fumehood.text import plain

MAX_LAYERS: Final = 400
MAX_OUTPUTS: Final = 100_000
_CLASS_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*\Z", re.ASCII)
_TAKEN = frozenset({"Tensor", "ValueError", "MODEL", "RECIPE", "build_model", "train", "predict", "nn", "torch"})
_TAKEN_TOO = frozenset({"self", "super", "tuple", "type", "int", "float", "x", "input_shape", "num_outputs"})
_BLOCK_CLASS = re.compile(r"^class (\w+)", re.MULTILINE)
_WRAPPERS = ("params", "parameters", "args", "kwargs", "config")
_TOP = frozenset({"class_name", "input_shape", "num_outputs", "layers", "architecture", "vocab_size"})


@dataclass(frozen=True)
class Layer:
    """One entry of ``layers``: its 1-based number, its type, its settings."""

    number: int
    kind: LayerType
    values: Values


@dataclass(frozen=True)
class Configuration:
    class_name: str
    input_shape: tuple[int, ...]
    num_outputs: int | None
    """None: what the last layer gives."""
    layers: tuple[Layer, ...]


def parse(config: Mapping[str, Any]) -> Configuration:
    """Parse ``model_config``. Raises AssemblyError naming the key or the layer."""
    if not isinstance(config, Mapping):
        raise AssemblyError(f"The model configuration is {shown(config)}; expected a mapping with layers.")
    foreign = sorted(str(k) for k in config if k not in _TOP)
    if foreign:
        raise AssemblyError(
            f"The model configuration has unknown keys: {plain(', '.join(foreign), 200)}.",
            f"Known keys: {', '.join(sorted(_TOP))}.",
        )
    return Configuration(
        _class_name(config.get("class_name", "GeneratedModel")),
        _input_shape(config.get("input_shape")),
        _num_outputs(config.get("num_outputs")),
        _layers(config.get("layers")),
    )


def _class_name(name: Any) -> str:
    if not isinstance(name, str) or len(name) > 64 or not _CLASS_NAME.match(name):
        raise AssemblyError(
            f"class_name is {shown(name)}; expected a Python class name of ASCII letters, digits and underscores.",
            "Use a name such as DigitsNet.",
        )
    blocks = {n for kind in catalog.TYPES for n in _BLOCK_CLASS.findall(kind.source)}
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in _TAKEN | _TAKEN_TOO | blocks:
        raise AssemblyError(f"class_name {name} has a meaning of its own in the file.", "Use a name such as DigitsNet.")
    return name


def _input_shape(shape: Any) -> tuple[int, ...]:
    try:
        if not isinstance(shape, list | tuple) or not 1 <= len(shape) <= 3:
            raise LayerMisfitError(f"got {shown(shape)}")
        sizes = tuple(n for n in map(whole(1, 2**22), shape) if isinstance(n, int))
        if prod(sizes) > MAX_VALUES:
            raise LayerMisfitError(f"{prod(sizes)} values are more than {MAX_VALUES}")
    except LayerMisfitError as misfit:
        raise AssemblyError(
            f"input_shape: {misfit.what}; expected one to three whole numbers, channels first, without the batch.",
            "For example [1, 28, 28] for grey images or [30] for 30 columns.",
        ) from None
    return sizes


def _num_outputs(count: Any) -> int | None:
    if count is None:
        return None
    try:
        number = whole(1, MAX_OUTPUTS)(count)
    except LayerMisfitError as misfit:
        raise AssemblyError(f"num_outputs: {misfit.what}.") from None
    return number if isinstance(number, int) else None


def _layers(entries: Any) -> tuple[Layer, ...]:
    if not isinstance(entries, Sequence) or isinstance(entries, str | bytes) or not entries:
        raise AssemblyError(f"layers is {shown(entries)}; expected a list of layers, each with a type.")
    if len(entries) > MAX_LAYERS:
        raise AssemblyError(f"The configuration has {len(entries)} layers; at most {MAX_LAYERS} are allowed.")
    return tuple(_layer(number, entry) for number, entry in enumerate(entries, start=1))


def _layer(number: int, entry: Any) -> Layer:
    """A layer is ``{"type": ..., settings}``, with settings optionally under one inner mapping, or just a type."""
    if isinstance(entry, str):
        entry = {"type": entry}
    if not isinstance(entry, Mapping) or not isinstance(entry.get("type"), str):
        raise AssemblyError(
            f"Layer {number} is {shown(entry)}; expected a mapping with a type.",
            f"For example {{'type': 'Linear', 'out_features': 64}}. Known types: {catalog.known()}.",
        )
    kind = catalog.find(entry["type"])
    if kind is None:
        raise _unknown_type(number, entry["type"])
    settings = _settings(number, kind, entry)
    try:
        return Layer(number, kind, read(kind.arguments, settings))
    except LayerMisfitError as misfit:
        raise AssemblyError(f"Layer {number} ({kind.name}): {misfit.what}.", misfit.hint) from None


def _settings(number: int, kind: LayerType, entry: Mapping[Any, Any]) -> dict[str, Any]:
    """The layer's settings; ``name`` and ``comment``, which people add for themselves, say nothing about the model."""
    settings: dict[str, Any] = {}
    for key, value in entry.items():
        if key in ("type", "name", "comment"):
            continue
        inner = value if key in _WRAPPERS and isinstance(value, Mapping) else {key: value}
        if doubled := set(settings) & set(inner):
            raise AssemblyError(
                f"Layer {number} ({kind.name}): {plain(str(min(map(str, doubled))), 60)} is given twice."
            )
        settings.update(inner)
    return settings


def _unknown_type(number: int, name: str) -> AssemblyError:
    near = catalog.nearest(name)
    guess = f"; the nearest known type is {near}" if near else ""
    return AssemblyError(
        f"Layer {number} has the type {shown(name)}, which is not known{guess}.", f"Known types: {catalog.known()}."
    )
