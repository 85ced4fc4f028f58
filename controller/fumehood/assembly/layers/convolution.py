"""Convolutions and transposed convolutions over a length or an image."""

from functools import partial
from math import prod

from fumehood.assembly.arguments import MAX_KERNEL, Argument, Value, Values, either, flag, per_axis, whole, word
from fumehood.assembly.errors import LayerMisfitError
from fumehood.assembly.layer import Call, LayerType, Step, changed
from fumehood.assembly.shapes import Signal, agree, channels, require, transposed_window, window

ADVICE = "Put convolutions before flatten, linear and sequence layers, or unflatten first."
DEFAULTS: dict[str, int | bool | str] = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True}


def convolution(axes: int, signal: Signal, values: Values) -> Step:
    require(signal, "channels", axes + 1, ADVICE)
    into = agree("in_channels", values.maybe("in_channels"), signal.shape[0])
    out = values.whole("out_channels")
    kernel = values.along("kernel_size", axes)
    _check_groups(values.whole("groups"), into, out)
    size = _conv_size(signal.shape[1:], kernel, values)
    weights = out * (into // values.whole("groups")) * prod(kernel)
    return Step(
        _call(f"nn.Conv{axes}d", into, out, values, {**DEFAULTS, "padding_mode": "zeros"}),
        channels(out, *size),
        parameters=weights + (out if values.flag("bias") else 0),
        multiply_adds=weights * prod(size),
    )


def transposed(axes: int, signal: Signal, values: Values) -> Step:
    require(signal, "channels", axes + 1, ADVICE)
    into = agree("in_channels", values.maybe("in_channels"), signal.shape[0])
    out = values.whole("out_channels")
    kernel, stride, dilation = (values.along(n, axes) for n in ("kernel_size", "stride", "dilation"))
    padding, extra = values.along("padding", axes), values.along("output_padding", axes)
    _check_groups(values.whole("groups"), into, out)
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise LayerMisfitError("output_padding must be smaller than stride or dilation")
    size = tuple(
        transposed_window(n, k, s, p, e, d)
        for n, k, s, p, e, d in zip(signal.shape[1:], kernel, stride, padding, extra, dilation, strict=True)
    )
    weights = into * (out // values.whole("groups")) * prod(kernel)
    return Step(
        _call(f"nn.ConvTranspose{axes}d", into, out, values, {**DEFAULTS, "output_padding": 0}),
        channels(out, *size),
        parameters=weights + (out if values.flag("bias") else 0),
        multiply_adds=weights * prod(signal.shape[1:]),
    )


def _call(target: str, into: int, out: int, values: Values, defaults: dict[str, int | bool | str]) -> Call:
    kernel = values["kernel_size"]
    if not isinstance(kernel, int | tuple):
        raise LayerMisfitError("kernel_size is missing", "Give kernel_size as a whole number or a list.")
    return Call(target, (into, out), {"kernel_size": kernel, **changed(values, dict(defaults))})


def _conv_size(size: tuple[int, ...], kernel: tuple[int, ...], values: Values) -> tuple[int, ...]:
    stride, dilation = values.along("stride", len(size)), values.along("dilation", len(size))
    if values["padding"] == "same":
        if any(s != 1 for s in stride):
            raise LayerMisfitError("padding 'same' needs stride 1", "Use a number as padding, e.g. kernel_size // 2.")
        return size
    padding = (0,) * len(size) if values["padding"] == "valid" else values.along("padding", len(size))
    if values["padding_mode"] != "zeros":
        _check_border(values.word("padding_mode"), padding, size)
    return tuple(window(n, k, s, p, d) for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True))


def _check_border(mode: str, padding: tuple[int, ...], size: tuple[int, ...]) -> None:
    for pad, length in zip(padding, size, strict=True):
        if (mode == "reflect" and pad >= length) or (mode == "circular" and pad > length):
            raise LayerMisfitError(f"padding of {pad} is too much for {mode} padding of a length of {length}")


def _check_groups(groups: int, into: int, out: int) -> None:
    if into % groups or out % groups:
        raise LayerMisfitError(
            f"groups is {groups}, which does not divide both {into} input and {out} output channels",
            "Use a common divisor of both.",
        )


def _arguments(longest: int, padding: Argument, *more: Argument) -> tuple[Argument, ...]:
    return (
        Argument("in_channels", whole(), aliases=("in", "input_channels", "in_features")),
        Argument("out_channels", whole(), aliases=("out", "filters", "channels", "output_channels", "features")),
        Argument("kernel_size", per_axis(longest=longest), 3, ("kernel", "k", "window", "filter_size")),
        Argument("stride", per_axis(longest=longest), 1, ("strides",)),
        padding,
        Argument("dilation", per_axis(longest=longest), 1, ("dilation_rate",)),
        Argument("groups", whole(), 1),
        Argument("bias", flag, True, ("use_bias",)),
        *more,
    )


def _padding(longest: int, default: Value = 0) -> Argument:
    return Argument("padding", either(word("same", "valid"), per_axis(0, longest=longest)), default, ("pad",))


def _conv_type(axes: int) -> LayerType:
    mode = Argument("padding_mode", word("zeros", "reflect", "replicate", "circular"), "zeros")
    aliases = ("conv", "convolution", "convolution2d") if axes == 2 else ("convolution1d",)
    return LayerType(
        f"Conv{axes}d", "conv", partial(convolution, axes), _arguments(axes, _padding(axes), mode), aliases
    )


def _transposed_type(axes: int) -> LayerType:
    plain = Argument("padding", per_axis(0, longest=axes), 0, ("pad",))
    extra = Argument("output_padding", per_axis(0, MAX_KERNEL, axes), 0)
    aliases = (f"conv{axes}dtranspose", f"deconv{axes}d") + (("deconv",) if axes == 2 else ())
    return LayerType(
        f"ConvTranspose{axes}d", "upconv", partial(transposed, axes), _arguments(axes, plain, extra), aliases
    )


TYPES = (_conv_type(1), _conv_type(2), _transposed_type(1), _transposed_type(2))
