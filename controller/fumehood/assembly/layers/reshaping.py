"""Layers that move values without weighing them: flatten, unflatten, padding, upsampling, pixel shuffles."""

from functools import partial

from fumehood.assembly.arguments import Argument, Values, either, per_axis, whole, word
from fumehood.assembly.errors import LayerMisfitError
from fumehood.assembly.layer import Call, LayerType, Literal, Step
from fumehood.assembly.shapes import Signal, channels, features, require

ADVICE = "It works on convolutional features; put it before flatten."


def flatten(signal: Signal, values: Values) -> Step:
    """Everything after the batch into one axis; other spans are refused, since nothing here needs them."""
    if values["start_dim"] != 1 or values["end_dim"] not in (-1, len(signal.shape)):
        raise LayerMisfitError("only start_dim 1 and end_dim -1 are known", "Leave both out.")
    return Step(Call("nn.Flatten"), features(signal.size))


def unflatten(signal: Signal, values: Values) -> Step:
    require(signal, "features", 1, "Flatten first.")
    shape = values["unflattened_size"]
    if values["dim"] not in (1, -1) or not isinstance(shape, tuple):
        raise LayerMisfitError("it needs unflattened_size with two or three numbers, and dim 1")
    after = channels(*shape)
    if after.size != signal.size:
        raise LayerMisfitError(f"unflattened_size {shape} holds {after.size} values; expected {signal.size}")
    return Step(Call("nn.Unflatten", (1, shape)), after)


def upsample(signal: Signal, values: Values) -> Step:
    require(signal, "channels", 3, ADVICE)
    if (values["size"] is None) == (values["scale_factor"] is None):
        raise LayerMisfitError("it needs either size or scale_factor", "Give exactly one of them.")
    if values["size"] is not None:
        size: tuple[int, ...] = values.along("size", 2)
        keywords: dict[str, Literal] = {"size": size}
    else:
        factor = values.whole("scale_factor")
        size = (signal.shape[1] * factor, signal.shape[2] * factor)
        keywords = {"scale_factor": factor}
    mode = values.word("mode")
    keywords |= {} if mode == "nearest" else {"mode": mode}
    return Step(Call("nn.Upsample", (), keywords), channels(signal.shape[0], *size), multiply_adds=signal.shape[0])


def pad(kind: str, axes: int, signal: Signal, values: Values) -> Step:
    """Padding is (left, right) or (left, right, top, bottom), or one number for all sides."""
    require(signal, "channels", axes + 1, ADVICE)
    sides = values.along("padding", 2 * axes)
    size = list(signal.shape)
    for axis in range(axes):
        before, after = sides[2 * axis], sides[2 * axis + 1]
        if kind == "Reflection" and max(before, after) >= size[-1 - axis]:
            raise LayerMisfitError(f"reflecting {max(before, after)} values needs more than {size[-1 - axis]}")
        size[-1 - axis] += before + after
    one = sides[0] if len(set(sides)) == 1 else sides
    return Step(Call(f"nn.{kind}Pad{axes}d", (one,)), channels(*size))


def shuffle(signal: Signal, values: Values) -> Step:
    require(signal, "channels", 3, ADVICE)
    factor = values.whole("upscale_factor")
    count, height, width = signal.shape
    if count % factor**2:
        raise LayerMisfitError(f"{count} channels are not a multiple of upscale_factor squared, {factor**2}")
    return Step(Call("nn.PixelShuffle", (factor,)), channels(count // factor**2, height * factor, width * factor))


def unshuffle(signal: Signal, values: Values) -> Step:
    require(signal, "channels", 3, ADVICE)
    factor = values.whole("downscale_factor")
    count, height, width = signal.shape
    if height % factor or width % factor:
        raise LayerMisfitError(f"{height} x {width} is not a multiple of downscale_factor {factor}")
    return Step(Call("nn.PixelUnshuffle", (factor,)), channels(count * factor**2, height // factor, width // factor))


def _pad(kind: str, axes: int, *aliases: str) -> LayerType:
    sides = Argument("padding", per_axis(0, longest=2 * axes), 1, ("pad",))
    return LayerType(f"{kind}Pad{axes}d", "pad", partial(pad, kind, axes), (sides,), aliases)


TYPES = (
    LayerType(
        "Flatten",
        "flatten",
        flatten,
        (Argument("start_dim", whole(-4, 4), 1), Argument("end_dim", whole(-4, 4), -1)),
    ),
    LayerType(
        "Unflatten",
        "unflatten",
        unflatten,
        (
            Argument("dim", whole(-3, 3), 1),
            Argument("unflattened_size", per_axis(1, 2**17, longest=3), aliases=("shape", "size", "target_shape")),
        ),
        ("reshape", "view"),
    ),
    LayerType(
        "Upsample",
        "upsample",
        upsample,
        (
            Argument("scale_factor", whole(1, 64), aliases=("scale", "factor")),
            Argument("size", per_axis(1, 4096)),
            Argument("mode", either(word("nearest", "bilinear", "bicubic")), "nearest"),
        ),
        ("upsampling2d", "upsample2d", "upsampling"),
    ),
    _pad("Zero", 1),
    _pad("Zero", 2, "zeropadding2d", "zeropad"),
    _pad("Reflection", 2),
    _pad("Replication", 2),
    LayerType("PixelShuffle", "shuffle", shuffle, (Argument("upscale_factor", whole(1, 64), 2, ("factor",)),)),
    LayerType("PixelUnshuffle", "shuffle", unshuffle, (Argument("downscale_factor", whole(1, 64), 2, ("factor",)),)),
)
