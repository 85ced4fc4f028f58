"""Activations and dropout: layers that keep the shape (GLU halves it)."""

from functools import partial

from fumehood.assembly.arguments import Argument, Values, flag, real, whole, word
from fumehood.assembly.errors import LayerMisfitError
from fumehood.assembly.layer import Call, LayerType, Literal, Step, changed
from fumehood.assembly.shapes import Signal, agree

SQUASHERS = frozenset({"Softmax", "LogSoftmax", "Softmin", "Sigmoid", "LogSigmoid"})
"""Dropped at the end of a model: its outputs are raw logits or values."""


def elementwise(target: str, defaults: dict[str, Literal], signal: Signal, values: Values) -> Step:
    return Step(Call(target, (), changed(values, defaults)), signal)


def prelu(signal: Signal, values: Values) -> Step:
    count = values.whole("num_parameters")
    if count != 1:
        agree("num_parameters", count, signal.shape[1 if signal.layout == "sequence" else 0])
    if count != 1 and signal.layout == "sequence":
        raise LayerMisfitError("num_parameters counts channels, which a sequence does not have", "Use 1.")
    return Step(Call("nn.PReLU", () if count == 1 else (count,)), signal, parameters=count)


def softmax(target: str, signal: Signal, values: Values) -> Step:
    axis = _axis(signal, values)
    return Step(Call(target, (), {"dim": axis}), signal)


def glu(signal: Signal, values: Values) -> Step:
    axis = _axis(signal, values)
    length = signal.shape[axis]
    if length % 2:
        raise LayerMisfitError(f"it halves an axis of {length}, which is odd; expected an even number")
    shape = list(signal.shape)
    shape[axis] = length // 2
    return Step(Call("nn.GLU", (), {"dim": axis}), Signal(tuple(shape), signal.layout))


def dropout(target: str, signal: Signal, values: Values) -> Step:
    axes = {"nn.Dropout1d": 2, "nn.Dropout2d": 3}.get(target)
    if axes is not None and (signal.layout != "channels" or len(signal.shape) != axes):
        raise LayerMisfitError(f"it drops whole channels of {axes} axes, but it receives {signal}", "Use Dropout.")
    return Step(Call(target, (values.real("p"),)), signal)


def _axis(signal: Signal, values: Values) -> int:
    """The axis counted from the end: torch counts the batch as axis 0, configurations mostly say -1."""
    dim = values.whole("dim")
    from_end = dim if dim < 0 else dim - 1 - len(signal.shape)
    if dim == 0 or not -len(signal.shape) <= from_end <= -1:
        raise LayerMisfitError(f"dim is {dim}, which is the batch or does not exist", "Use -1 for the last axis.")
    return from_end


_INPLACE = Argument("inplace", flag, False)
_DIM = Argument("dim", whole(-3, 3), -1, ("axis",))


def _activation(name: str, *arguments: Argument, aliases: tuple[str, ...] = ()) -> LayerType:
    """An element-wise activation; ``inplace`` is accepted and left out, since it changes memory, not results."""
    defaults: dict[str, Literal] = {a.name: a.default for a in arguments if a.default is not None}
    rule = partial(elementwise, f"nn.{name}", defaults)
    return LayerType(name, "act", rule, (*arguments, _INPLACE), aliases)


def _dropout(name: str, *aliases: str) -> LayerType:
    rate = Argument("p", real(0.0, 0.99), 0.5, ("rate", "prob", "probability", "dropout"))
    return LayerType(name, "drop", partial(dropout, f"nn.{name}"), (rate, _INPLACE), aliases)


def _number(name: str, default: float, low: float = -1e3, high: float = 1e3, *aliases: str) -> Argument:
    return Argument(name, real(low, high), default, aliases)


TYPES = (
    _activation("ReLU", aliases=("rectifier",)),
    _activation("ReLU6"),
    _activation("LeakyReLU", _number("negative_slope", 0.01, 0.0, 1e3, "alpha", "slope"), aliases=("lrelu",)),
    LayerType("PReLU", "act", prelu, (Argument("num_parameters", whole(), 1),)),
    _activation("ELU", _number("alpha", 1.0)),
    _activation("CELU", _number("alpha", 1.0, 1e-3)),
    _activation("SELU"),
    _activation("GELU", Argument("approximate", word("none", "tanh"), "none")),
    _activation("SiLU", aliases=("swish",)),
    _activation("Mish"),
    _activation("Tanh"),
    _activation("Sigmoid"),
    _activation("LogSigmoid"),
    _activation("Hardswish"),
    _activation("Hardsigmoid"),
    _activation("Hardtanh", _number("min_val", -1.0, -1e3, 0.0), _number("max_val", 1.0, 1e-3, 1e3)),
    _activation("Hardshrink", _number("lambd", 0.5, 0.0)),
    _activation("Softshrink", _number("lambd", 0.5, 0.0)),
    _activation("Tanhshrink"),
    _activation("Softplus", _number("beta", 1.0, 1e-3), _number("threshold", 20.0, 0.0)),
    _activation("Softsign"),
    LayerType("Softmax", "softmax", partial(softmax, "nn.Softmax"), (_DIM,)),
    LayerType("LogSoftmax", "softmax", partial(softmax, "nn.LogSoftmax"), (_DIM,)),
    LayerType("Softmin", "softmax", partial(softmax, "nn.Softmin"), (_DIM,)),
    LayerType("GLU", "act", glu, (_DIM,)),
    _dropout("Dropout"),
    _dropout("Dropout1d", "spatialdropout1d"),
    _dropout("Dropout2d", "spatialdropout2d"),
    _dropout("AlphaDropout"),
)
