"""Blocks over C x H x W: residual, depthwise separable, squeeze-and-excite, patches, global pooling."""

from functools import partial
from math import prod

from fumehood.assembly.arguments import Argument, Values, whole
from fumehood.assembly.blocks.common import DROPOUT, activation_argument, options
from fumehood.assembly.errors import LayerMisfitError
from fumehood.assembly.layer import Call, LayerType, Literal, Step
from fumehood.assembly.shapes import Signal, agree, channels, describe, features, require, sequence, window

ADVICE = "Put it before flatten and linear layers."

RESIDUAL_BLOCK = '''
class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions added to their input (He et al., 2016)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        activation: type[nn.Module] = nn.ReLU,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            activation(),
            nn.Dropout2d(dropout),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.body(x) + self.shortcut(x))
'''

DEPTHWISE_SEPARABLE_CONV = '''
class DepthwiseSeparableConv(nn.Module):
    """A convolution per channel, then one across channels (Howard et al., 2017)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        activation: type[nn.Module] = nn.ReLU,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, in_channels, kernel_size, stride, padding, groups=in_channels, bias=False),
            nn.BatchNorm2d(in_channels),
            activation(),
            nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False),
            nn.BatchNorm2d(out_channels),
            activation(),
            nn.Dropout2d(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)
'''

SQUEEZE_EXCITE = '''
class SqueezeExcite(nn.Module):
    """Weighs channels by what the whole image holds (Hu et al., 2018)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Linear(channels, hidden),
            nn.ReLU(),
            nn.Linear(hidden, channels),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x.mean(dim=(2, 3)))[:, :, None, None]
'''

PATCH_EMBED = '''
class PatchEmbed(nn.Module):
    """Cuts an image into square patches and makes each a token (Dosovitskiy et al., 2021)."""

    def __init__(self, in_channels: int, width: int, patch_size: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(in_channels, width, kernel_size=patch_size, stride=patch_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.project(x).flatten(2).transpose(1, 2)
'''


def residual(signal: Signal, values: Values) -> Step:
    require(signal, "channels", 3, ADVICE)
    into = agree("in_channels", values.maybe("in_channels"), signal.shape[0])
    out = values.maybe("out_channels") or into
    stride = values.whole("stride")
    size = tuple(window(n, 3, stride, 1) for n in signal.shape[1:])
    shortcut = into * out if stride != 1 or into != out else 0
    weights = 9 * into * out + 9 * out * out + shortcut
    return Step(
        Call("ResidualBlock", (into, out), {**_stride(stride), **options(values, "relu")}),
        channels(out, *size),
        parameters=weights + 4 * out,
        stored=2 * (2 * out + 2),
        multiply_adds=weights * prod(size),
    )


def depthwise_separable(signal: Signal, values: Values) -> Step:
    require(signal, "channels", 3, ADVICE)
    into = agree("in_channels", values.maybe("in_channels"), signal.shape[0])
    out, kernel, stride = values.maybe("out_channels") or into, values.whole("kernel_size"), values.whole("stride")
    size = tuple(window(n, kernel, stride, kernel // 2) for n in signal.shape[1:])
    weights = into * kernel * kernel + into * out
    keywords: dict[str, Literal] = {} if kernel == 3 else {"kernel_size": kernel}
    return Step(
        Call("DepthwiseSeparableConv", (into, out), {**keywords, **_stride(stride), **options(values, "relu")}),
        channels(out, *size),
        parameters=weights + 2 * into + 2 * out,
        stored=2 * into + 2 + 2 * out + 2,
        multiply_adds=weights * prod(size),
    )


def squeeze_excite(signal: Signal, values: Values) -> Step:
    require(signal, "channels", 3, ADVICE)
    count = agree("channels", values.maybe("channels"), signal.shape[0])
    hidden = max(1, count // values.whole("reduction"))
    return Step(
        Call("SqueezeExcite", (count, hidden)),
        signal,
        parameters=2 * count * hidden + hidden + count,
        multiply_adds=2 * count * hidden + signal.size,
    )


def patch_embed(signal: Signal, values: Values) -> Step:
    require(signal, "channels", 3, ADVICE)
    into = agree("in_channels", values.maybe("in_channels"), signal.shape[0])
    width, patch = values.whole("width"), values.whole("patch_size")
    height, across = signal.shape[1:]
    if height % patch or across % patch:
        raise LayerMisfitError(
            f"patch_size {patch} does not divide {height} x {across}", "Use a common divisor of height and width."
        )
    tokens, weights = (height // patch) * (across // patch), into * width * patch * patch
    return Step(
        Call("PatchEmbed", (into, width, patch)),
        sequence(tokens, width),
        parameters=weights + width,
        multiply_adds=weights * tokens,
    )


def global_pool(kind: str, signal: Signal, _values: Values) -> Step:
    """Mean or maximum over all positions of a channel, or over the tokens of a sequence."""
    if signal.layout == "sequence":
        axes, count = "1", signal.shape[1]
    elif signal.layout == "channels":
        axes, count = {2: "2", 3: "(2, 3)"}[len(signal.shape)], signal.shape[0]
    else:
        raise LayerMisfitError(f"expected channels or tokens, but it receives {describe(signal)}", "Leave it out.")
    return Step(None, features(count), use=f"x.{kind}(dim={axes})")


def _stride(stride: int) -> dict[str, Literal]:
    return {} if stride == 1 else {"stride": stride}


_IN = Argument("in_channels", whole(), aliases=("in", "input_channels"))
_OUT = Argument("out_channels", whole(), aliases=("out", "filters", "channels", "width", "features"))
_STRIDE = Argument("stride", whole(1, 64), 1, ("strides",))
_KERNEL = Argument("kernel_size", whole(1, 63), 3, ("kernel",))
_ACTIVATION = activation_argument("relu")

TYPES = (
    LayerType(
        "residual_block",
        "block",
        residual,
        (_IN, _OUT, _STRIDE, _ACTIVATION, DROPOUT),
        ("resblock", "resnetblock", "basicblock", "residualconvblock", "residual"),
        RESIDUAL_BLOCK,
    ),
    LayerType(
        "depthwise_separable_conv",
        "separable",
        depthwise_separable,
        (_IN, _OUT, _KERNEL, _STRIDE, _ACTIVATION, DROPOUT),
        ("separableconv2d", "separableconv", "depthwiseseparableconv2d", "depthwiseseparable"),
        DEPTHWISE_SEPARABLE_CONV,
    ),
    LayerType(
        "squeeze_excite",
        "excite",
        squeeze_excite,
        (Argument("channels", whole(), aliases=("in_channels",)), Argument("reduction", whole(1, 1024), 4, ("ratio",))),
        ("se", "seblock", "squeezeexcitation", "squeezeandexcite", "squeezeandexcitation"),
        SQUEEZE_EXCITE,
    ),
    LayerType(
        "patch_embed",
        "patches",
        patch_embed,
        (
            _IN,
            Argument("width", whole(), aliases=("embed_dim", "dim", "out_channels", "d_model")),
            Argument("patch_size", whole(1, 1024), aliases=("patch", "kernel_size")),
        ),
        ("patchembedding", "patches"),
        PATCH_EMBED,
    ),
    LayerType(
        "global_average_pool",
        "pool",
        partial(global_pool, "mean"),
        (),
        ("globalavgpool", "gap", "globalavgpool2d", "globalaveragepooling2d", "meanpool", "globalpool"),
    ),
    LayerType("global_max_pool", "pool", partial(global_pool, "amax"), (), ("globalmaxpool2d", "globalmaxpooling2d")),
)
