"""LSTM, GRU and RNN over a sequence, always batch first."""

from functools import partial

from fumehood.assembly.arguments import Argument, Values, flag, only_true, real, whole, word
from fumehood.assembly.errors import LayerMisfitError
from fumehood.assembly.layer import Call, LayerType, Step, changed
from fumehood.assembly.shapes import Signal, agree, describe, features, sequence


def recurrent(kind: str, gates: int, signal: Signal, values: Values) -> Step:
    """Reads ``(tokens, features)``; a ``(C, L)`` input is read as C steps of L features, as torch does."""
    if len(signal.shape) != 2:
        raise LayerMisfitError(f"expected tokens x features, but it receives {describe(signal)}", "Embed first.")
    tokens, wide = signal.shape
    agree("input_size", values.maybe("input_size"), wide)
    hidden, depth = values.whole("hidden_size"), values.whole("num_layers")
    ways = 2 if values.flag("bidirectional") else 1
    weights = _weights(wide, hidden, depth, ways, gates, values.flag("bias"))
    return Step(
        Call(f"nn.{kind}", (wide, hidden), {**_keywords(kind, values), "batch_first": True}),
        sequence(tokens, hidden * ways) if values.flag("return_sequences") else features(hidden * ways),
        parameters=weights,
        multiply_adds=weights * tokens,
        use="{layer}(x)[0]" if values.flag("return_sequences") else "{layer}(x)[0][:, -1]",
    )


def _keywords(kind: str, values: Values) -> dict[str, int | float | bool | str]:
    defaults: dict[str, int | float | bool | str] = {"num_layers": 1, "dropout": 0.0, "bidirectional": False}
    defaults |= {"bias": True} | ({"nonlinearity": "tanh"} if kind == "RNN" else {})
    if values.whole("num_layers") == 1 and values.real("dropout") > 0:
        raise LayerMisfitError("dropout acts between layers and there is only one", "Add a Dropout layer instead.")
    return {k: v for k, v in changed(values, dict(defaults)).items() if isinstance(v, int | float | bool | str)}


def _weights(wide: int, hidden: int, depth: int, ways: int, gates: int, bias: bool) -> int:
    total = 0
    for layer in range(depth):
        into = wide if layer == 0 else hidden * ways
        total += ways * gates * hidden * (into + hidden + (2 if bias else 0))
    return total


def _type(kind: str, gates: int, *more: Argument) -> LayerType:
    return LayerType(
        kind,
        kind.lower(),
        partial(recurrent, kind, gates),
        (
            Argument("input_size", whole(), aliases=("in_features", "input_dim")),
            Argument("hidden_size", whole(), aliases=("units", "hidden", "hidden_dim", "out_features", "width")),
            Argument("num_layers", whole(1, 16), 1, ("layers", "depth")),
            Argument("bias", flag, True),
            Argument("dropout", real(0.0, 0.99), 0.0),
            Argument("bidirectional", flag, False),
            Argument("batch_first", only_true, True),
            Argument("return_sequences", flag, True),
            *more,
        ),
        ("simplernn",) if kind == "RNN" else (),
    )


TYPES = (
    _type("LSTM", 4),
    _type("GRU", 3),
    _type("RNN", 1, Argument("nonlinearity", word("tanh", "relu"), "tanh")),
)
