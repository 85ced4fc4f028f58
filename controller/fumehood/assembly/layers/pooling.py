"""Pooling over a length or an image."""

from functools import partial

from fumehood.assembly.arguments import Argument, Values, flag, per_axis
from fumehood.assembly.errors import LayerMisfitError
from fumehood.assembly.layer import Call, LayerType, Step, changed
from fumehood.assembly.shapes import Signal, channels, require, window

ADVICE = "Put pooling before flatten and linear layers; use mean_pool for a sequence of tokens."


def pool(kind: str, axes: int, signal: Signal, values: Values) -> Step:
    require(signal, "channels", axes + 1, ADVICE)
    kernel, padding = values.along("kernel_size", axes), values.along("padding", axes)
    stride = kernel if values["stride"] is None else values.along("stride", axes)
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        raise LayerMisfitError(f"padding {padding} is more than half of the kernel {kernel}", "Use less padding.")
    ceil = values.flag("ceil_mode")
    size = tuple(
        window(n, k, s, p, 1, ceil) for n, k, s, p in zip(signal.shape[1:], kernel, stride, padding, strict=True)
    )
    one = kernel[0] if len(set(kernel)) == 1 else kernel
    same = stride == kernel
    keywords = changed(values, {"padding": 0, "ceil_mode": False})
    if not same:
        keywords = {**changed(values, {"stride": 0}), **keywords}
    return Step(Call(f"nn.{kind}Pool{axes}d", (one,), keywords), channels(signal.shape[0], *size))


def adaptive(kind: str, axes: int, signal: Signal, values: Values) -> Step:
    require(signal, "channels", axes + 1, ADVICE)
    size = values.along("output_size", axes)
    one = size[0] if len(set(size)) == 1 else size
    return Step(Call(f"nn.Adaptive{kind}Pool{axes}d", (one,)), channels(signal.shape[0], *size))


def _pool(kind: str, axes: int, *aliases: str) -> LayerType:
    return LayerType(
        f"{kind}Pool{axes}d",
        "pool",
        partial(pool, kind, axes),
        (
            Argument("kernel_size", per_axis(longest=axes), 2, ("kernel", "pool_size", "size", "window")),
            Argument("stride", per_axis(longest=axes), aliases=("strides",)),
            Argument("padding", per_axis(0, longest=axes), 0, ("pad",)),
            Argument("ceil_mode", flag, False),
        ),
        aliases,
    )


def _adaptive(kind: str, axes: int, *aliases: str) -> LayerType:
    size = Argument("output_size", per_axis(longest=axes), 1, ("size", "output"))
    return LayerType(f"Adaptive{kind}Pool{axes}d", "pool", partial(adaptive, kind, axes), (size,), aliases)


TYPES = (
    _pool("Max", 1, "maxpooling1d"),
    _pool("Max", 2, "maxpool", "maxpooling2d", "maxpooling"),
    _pool("Avg", 1, "averagepooling1d"),
    _pool("Avg", 2, "avgpool", "averagepooling2d", "averagepool2d", "averagepool"),
    _adaptive("Avg", 1),
    _adaptive("Avg", 2, "adaptiveavgpool", "adaptivepool"),
    _adaptive("Max", 1),
    _adaptive("Max", 2, "adaptivemaxpool"),
)
