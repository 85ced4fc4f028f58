"""Normalisation layers. The number of features or channels is always inferred, and checked where it is given."""

from functools import partial

from fumehood.assembly.arguments import Argument, Values, flag, per_axis, real, whole
from fumehood.assembly.errors import LayerMisfitError
from fumehood.assembly.layer import Call, LayerType, Step, changed
from fumehood.assembly.shapes import Signal, agree, describe


def batch_norm(axes: int | None, signal: Signal, values: Values) -> Step:
    """``axes`` None picks 1d or 2d from the signal."""
    axes = _axes(signal, "BatchNorm", axes)
    count = agree("num_features", values.maybe("num_features"), signal.shape[0])
    tracked = values.flag("track_running_stats")
    defaults = {"eps": 1e-5, "momentum": 0.1, "affine": True, "track_running_stats": True}
    return Step(
        Call(f"nn.BatchNorm{axes}d", (count,), changed(values, dict(defaults))),
        signal,
        parameters=2 * count if values.flag("affine") else 0,
        # running mean and variance, and one int64 counter of eight bytes
        stored=2 * count + 2 if tracked else 0,
        multiply_adds=signal.size,
    )


def instance_norm(axes: int, signal: Signal, values: Values) -> Step:
    if signal.layout != "channels" or len(signal.shape) != axes + 1:
        raise LayerMisfitError(f"expected channels and {axes} more axes, but it receives {describe(signal)}")
    if signal.size == signal.shape[0]:
        raise LayerMisfitError("it needs more than one position per channel to normalise over", "Leave it out here.")
    count = agree("num_features", values.maybe("num_features"), signal.shape[0])
    return Step(
        Call(f"nn.InstanceNorm{axes}d", (count,), changed(values, {"eps": 1e-5, "affine": False})),
        signal,
        parameters=2 * count if values.flag("affine") else 0,
        multiply_adds=signal.size,
    )


def group_norm(signal: Signal, values: Values) -> Step:
    if signal.layout not in ("channels", "features"):
        raise LayerMisfitError(f"expected channels or features, but it receives {describe(signal)}", "Use LayerNorm.")
    groups, count = values.whole("num_groups"), agree("num_channels", values.maybe("num_channels"), signal.shape[0])
    if count % groups:
        raise LayerMisfitError(f"num_groups is {groups}, which does not divide {count} channels", "Use a divisor.")
    return Step(
        Call("nn.GroupNorm", (groups, count), changed(values, {"eps": 1e-5, "affine": True})),
        signal,
        parameters=2 * count if values.flag("affine") else 0,
        multiply_adds=signal.size,
    )


def layer_norm(target: str, signal: Signal, values: Values) -> Step:
    """Over the features of each token, or over a whole example of features or channels."""
    given = values["normalized_shape"]
    inferred = signal.shape[-1:] if signal.layout == "sequence" else signal.shape
    shape = inferred if given is None else given if isinstance(given, tuple) else values.along("normalized_shape", 1)
    if shape != signal.shape[-len(shape) :]:
        raise LayerMisfitError(
            f"normalized_shape is given as {shape}; expected the last axes of {describe(signal)}",
            "Leave normalized_shape out: it is inferred.",
        )
    size = 1
    for n in shape:
        size *= n
    return _layer_norm_step(target, signal, values, shape, size)


def _layer_norm_step(target: str, signal: Signal, values: Values, shape: tuple[int, ...], size: int) -> Step:
    defaults = {"eps": 1e-5, "elementwise_affine": True} if target == "nn.LayerNorm" else {"elementwise_affine": True}
    tensors = 2 if target == "nn.LayerNorm" else 1
    return Step(
        Call(target, (shape if len(shape) > 1 else shape[0],), changed(values, dict(defaults))),
        signal,
        parameters=tensors * size if values.flag("elementwise_affine") else 0,
        multiply_adds=signal.size,
    )


def _axes(signal: Signal, name: str, axes: int | None) -> int:
    actual = {1: 1, 2: 1, 3: 2}[len(signal.shape)]
    if signal.layout == "sequence":
        raise LayerMisfitError(f"it normalises channels, but it receives {describe(signal)}", "Use LayerNorm.")
    if axes is not None and axes != actual:
        raise LayerMisfitError(
            f"expected {'channels x height x width' if axes == 2 else 'features or channels x length'}, "
            f"but it receives {describe(signal)}",
            f"Use {name}{actual}d.",
        )
    return actual


EPS = Argument("eps", real(1e-12, 1.0), 1e-5, ("epsilon",))


def _batch_type(name: str, axes: int | None, aliases: tuple[str, ...]) -> LayerType:
    return LayerType(
        name,
        "norm",
        partial(batch_norm, axes),
        (
            Argument("num_features", whole(), aliases=("features", "channels", "num_channels")),
            EPS,
            Argument("momentum", real(0.0, 1.0), 0.1),
            Argument("affine", flag, True),
            Argument("track_running_stats", flag, True),
        ),
        aliases,
    )


def _instance_type(axes: int) -> LayerType:
    return LayerType(
        f"InstanceNorm{axes}d",
        "norm",
        partial(instance_norm, axes),
        (Argument("num_features", whole(), aliases=("channels",)), EPS, Argument("affine", flag, False)),
        ("instancenorm",) if axes == 2 else (),
    )


_SHAPE = Argument("normalized_shape", per_axis(1, 2**17, longest=3), aliases=("features", "dim", "shape"))
_AFFINE = Argument("elementwise_affine", flag, True, ("affine",))

TYPES = (
    _batch_type("BatchNorm", None, ("batchnormalization", "bn")),
    _batch_type("BatchNorm1d", 1, ("bn1d",)),
    _batch_type("BatchNorm2d", 2, ("bn2d",)),
    _instance_type(1),
    _instance_type(2),
    LayerType(
        "GroupNorm",
        "norm",
        group_norm,
        (
            Argument("num_groups", whole(), aliases=("groups",)),
            Argument("num_channels", whole(), aliases=("channels", "num_features")),
            EPS,
            Argument("affine", flag, True),
        ),
        ("groupnormalization",),
    ),
    LayerType(
        "LayerNorm",
        "norm",
        partial(layer_norm, "nn.LayerNorm"),
        (_SHAPE, EPS, _AFFINE),
        ("layernormalization", "ln"),
    ),
    LayerType("RMSNorm", "norm", partial(layer_norm, "nn.RMSNorm"), (_SHAPE, _AFFINE)),
)
