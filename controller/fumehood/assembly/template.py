"""The deterministic assembler: ``model_config`` and recipe in, the source of a candidate out.

The same input always gives the same text, formatted as ``ruff format`` would. Only numbers, booleans, names from the
catalogue and one validated class name become code; title and rationale become an escaped docstring. The file defines
the class, ``build_model(input_shape, num_outputs)`` and ``RECIPE``. No I/O, no torch.
"""

import json
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from fumehood.assembly.errors import AssemblyError
from fumehood.assembly.layer import Call, Literal, Symbol
from fumehood.assembly.trace import Line, Trace, trace
from fumehood.text import plain
from fumehood_shared import caps
from fumehood_shared.messages import Recipe

PROSE_WIDTH = 88
LINE_WIDTH = 120


def assemble(
    model_config: Mapping[str, Any],
    recipe: Mapping[str, Any] | None = None,
    *,
    title: str = "",
    rationale: str = "",
) -> str:
    """Source of the candidate that ``model_config`` describes and ``recipe`` trains.

    ``model_config``: ``class_name``, ``input_shape`` (channels first, no batch), ``num_outputs`` (default: what the
    last layer gives) and ``layers``, a list of ``{"type": ..., ...}``. ``recipe``: fields of ``messages.Recipe``.
    Raises AssemblyError, with the layer's number, where either is not understood or does not fit together.
    """
    model = trace(model_config)
    parts = [
        _docstring(model, title, rationale),
        _imports(model),
        *_blocks(model),
        _model_class(model),
        _build_model(model),
        _recipe(recipe or {}),
    ]
    source = "\n\n\n".join(part.strip("\n") for part in parts if part) + "\n"
    source = source.replace('"""\n\n\nimport', '"""\n\nimport', 1).replace('"""\n\n\nfrom', '"""\n\nfrom', 1)
    if len(source.encode()) > caps.SOURCE_BYTES:
        raise AssemblyError(f"The source would be larger than {caps.SOURCE_BYTES} bytes.", "Use fewer layers.")
    return source


def count_parameters(model_config: Mapping[str, Any]) -> int:
    """Trainable parameters, as torch will count them. Raises AssemblyError as ``assemble`` does."""
    return trace(model_config).parameters


# ---- parts of the file -------------------------------------------------------------------------------------------


def _docstring(model: Trace, title: str, rationale: str) -> str:
    heading = _prose(title, 200) or [f"{model.class_name}."]
    shape = " x ".join(map(str, model.input_shape))
    facts = f"Input {shape}, {model.num_outputs} output{_s(model.num_outputs)}, {model.parameters:,} parameters."
    paragraphs = [heading, _prose(rationale, 2000), [facts], *([note] for note in model.notes)]
    body = "\n\n".join("\n".join(lines) for lines in paragraphs if lines)
    return f'"""{body}\n"""'


def _prose(text: str, limit: int) -> list[str]:
    """Foreign text as lines that cannot end a docstring or hold a control character."""
    lines = textwrap.wrap(plain(text, limit), PROSE_WIDTH)
    return [line.replace("\\", "\\\\").replace('"', '\\"') for line in lines]


def _imports(model: Trace) -> str:
    needs_torch = any("torch." in line.kind.source for line in model.lines)
    return ("import torch\n" if needs_torch else "") + "from torch import Tensor, nn"


def _blocks(model: Trace) -> Iterator[str]:
    """The class of each block in use, once, in order of first use."""
    yield from dict.fromkeys(line.kind.source for line in model.lines if line.kind.source)


def _model_class(model: Trace) -> str:
    names = _attributes(model.lines)
    modules = [_assignment(n, line.step.call) for n, line in names if line.step.call]
    forward = [f"        {_forward(n, line)}" for n, line in names]
    shape = " x ".join(map(str, model.input_shape))
    return "\n".join(
        [
            f"class {model.class_name}(nn.Module):",
            f'    """Maps N x {shape} to N x {model.num_outputs}."""',
            "",
            "    def __init__(self) -> None:",
            "        super().__init__()",
            *modules,
            "",
            "    def forward(self, x: Tensor) -> Tensor:",
            *forward,
            "        return x",
        ]
    )


def _attributes(lines: tuple[Line, ...]) -> list[tuple[str, Line]]:
    """``conv1``, ``conv2``, ...: the stem of the type and a number."""
    seen: Counter[str] = Counter()
    named: list[tuple[str, Line]] = []
    for line in lines:
        seen[line.kind.attribute] += 1
        named.append((f"{line.kind.attribute}{seen[line.kind.attribute]}", line))
    return named


def _forward(name: str, line: Line) -> str:
    note = f"; {line.note}" if line.note else ""
    return f"x = {line.step.use.format(layer=f'self.{name}')}  # {line.step.output}{note}"


def _build_model(model: Trace) -> str:
    shape = _literal(model.input_shape)
    return "\n".join(
        [
            "def build_model(input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:",
            '    """The model; it was written for one input shape and one number of outputs."""',
            f"    if tuple(input_shape) != {shape} or num_outputs != {model.num_outputs}:",
            f'        raise ValueError("this model maps {shape} to {model.num_outputs} outputs")',
            f"    return {model.class_name}()",
        ]
    )


def _recipe(recipe: Mapping[str, Any]) -> str:
    fields = checked_recipe(recipe)
    if not fields:
        return "RECIPE = {}"
    return "\n".join(["RECIPE = {", *(f'    "{name}": {_recipe_value(v)},' for name, v in fields.items()), "}"])


def checked_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The stated fields, validated by the wire format's own type. Raises AssemblyError naming the first wrong one."""
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in recipe.items()}
    try:
        return Recipe.model_validate(given).model_dump(include=set(given))
    except ValidationError as error:
        first = error.errors()[0]
        where = plain(".".join(str(part) for part in first["loc"]), 80)
        raise AssemblyError(
            f"Recipe field {where}: {plain(first['msg'], 200)}.", f"Known fields: {', '.join(Recipe.model_fields)}."
        ) from None


# ---- values as code ----------------------------------------------------------------------------------------------


def _assignment(name: str, call: Call) -> str:
    """The module's line in ``__init__``, broken as ``ruff format`` breaks it where it is too long."""
    keywords = (f"{key}={_literal(value)}" for key, value in call.keywords.items())
    arguments = [*map(_literal, call.positional), *keywords]
    opening, joined = f"        self.{name} = {call.target}(", ", ".join(arguments)
    if len(opening) + len(joined) + 1 <= LINE_WIDTH:
        return f"{opening}{joined})"
    inside = [joined] if len(joined) + 12 <= LINE_WIDTH else [f"{argument}," for argument in arguments]
    return "\n".join([opening, *(f"            {line}" for line in inside), "        )"])


def _literal(value: Literal) -> str:
    """One of the few exact types that may become code."""
    if isinstance(value, Symbol):
        return value.name
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(str, value))}{',' if len(value) == 1 else ''})"
    return repr(value)


def _recipe_value(value: Any) -> str:
    """A value that ``Recipe`` has validated: a number, a boolean, a word of a fixed list, or a tuple of such words."""
    if isinstance(value, tuple):
        return f"({', '.join(map(json.dumps, value))}{',' if len(value) == 1 else ''})"
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _s(count: int) -> str:
    return "" if count == 1 else "s"
