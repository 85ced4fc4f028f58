"""The families of networks that the search draws from, each a list of knobs and a way to write down its layers.

Every family writes layers that the deterministic assembler understands. Sizes come from the problem: images are
halved until few positions are left, patches are chosen so that there are few tokens, widths follow the number of rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fumehood.planning.knobs import ACTIVATION, DROPOUT, Knob, Problem, Settings, vector_width
from fumehood_shared.messages import InputKind

Layers = list[dict[str, Any]]

LARGEST_GRID = 40
"""Images with a longer side are first reduced by strides, so that a training takes seconds."""


@dataclass(frozen=True)
class Family:
    """``knobs`` are those of the architecture; ``size_knobs`` names the ones to turn down for a smaller network."""

    name: str
    label: str
    class_name: str
    knobs: Callable[[Problem], tuple[Knob, ...]]
    layers: Callable[[Problem, Settings], Layers]
    size_knobs: tuple[str, ...] = ("width", "depth")


def families(problem: Problem) -> tuple[Family, ...]:
    """The families that suit the inputs, the most promising first."""
    if problem.kind is InputKind.TABULAR:
        return (MLP, RESIDUAL_MLP)
    if problem.kind is InputKind.IMAGE:
        return (CNN, RESIDUAL_CNN, VIT, MIXER, MLP)
    return (BAG_OF_WORDS, TEXT_CNN, TEXT_TRANSFORMER)


# ---- vectors -----------------------------------------------------------------------------------------------------


def _mlp_knobs(problem: Problem) -> tuple[Knob, ...]:
    norm = Knob("norm", ("none", "batch", "layer"), ordered=False)
    return (vector_width(problem), Knob("depth", (0, 1, 2, 3)), norm, ACTIVATION, DROPOUT)


def _mlp_layers(problem: Problem, settings: Settings) -> Layers:
    """Depth 0 is a linear model: on few rows often the one to beat."""
    layers: Layers = [] if len(problem.input_shape) == 1 else [{"type": "Flatten"}]
    for _ in range(int(settings["depth"])):
        layers.append({"type": "Linear", "out_features": settings["width"]})
        layers += _norm(settings, {"batch": "BatchNorm1d", "layer": "LayerNorm"})
        layers += [{"type": settings["activation"]}, *_dropout(settings)]
    return [*layers, {"type": "Linear", "out_features": problem.num_outputs}]


def _residual_mlp_knobs(problem: Problem) -> tuple[Knob, ...]:
    norm = Knob("norm", ("batch", "layer"), ordered=False)
    return (vector_width(problem), Knob("depth", (1, 2, 3, 4)), norm, ACTIVATION, DROPOUT)


def _residual_mlp_layers(problem: Problem, settings: Settings) -> Layers:
    block = {
        "type": "residual_mlp_block",
        "hidden": 2 * int(settings["width"]),
        "norm": settings["norm"],
        "activation": settings["activation"],
        "dropout": settings["dropout"],
    }
    return [
        {"type": "Linear", "out_features": settings["width"]},
        *(dict(block) for _ in range(int(settings["depth"]))),
        *_norm(settings, {"batch": "BatchNorm1d", "layer": "LayerNorm"}),
        {"type": settings["activation"]},
        {"type": "Linear", "out_features": problem.num_outputs},
    ]


# ---- images ------------------------------------------------------------------------------------------------------


def _stages(problem: Problem) -> Knob:
    """How often the image may be halved with two positions a side left."""
    side = _grid(problem)
    most = max(1, min(3, side.bit_length() - 2))
    return Knob("stages", tuple(range(max(1, most - 1), most + 1)))


def _cnn_knobs(problem: Problem) -> tuple[Knob, ...]:
    readout = Knob("readout", ("pool", "flatten"), ordered=False)
    norm = Knob("norm", ("batch", "group"), ordered=False)
    width = Knob("width", (8, 16, 24, 32, 48))
    return (width, Knob("depth", (1, 2)), _stages(problem), norm, readout, ACTIVATION, DROPOUT)


def _cnn_layers(problem: Problem, settings: Settings) -> Layers:
    """Stages of 3 x 3 convolutions; each stage halves the image and doubles the channels (Simonyan, 2015)."""
    layers, width = _reduced(problem, settings), int(settings["width"])
    side = _grid(problem)
    for stage in range(int(settings["stages"])):
        for _ in range(int(settings["depth"])):
            layers.append(_conv(width * 2**stage))
            layers += [*_norm(settings, {"batch": "BatchNorm2d", "group": "GroupNorm"}), _act(settings)]
        if side >= 2:
            layers.append({"type": "MaxPool2d", "kernel_size": 2})
            side //= 2
    return [*layers, *_readout(problem, settings)]


def _residual_cnn_knobs(problem: Problem) -> tuple[Knob, ...]:
    excite = Knob("squeeze_excite", ("no", "yes"), ordered=False)
    return (Knob("width", (8, 16, 24, 32, 48)), Knob("depth", (1, 2)), _stages(problem), excite, ACTIVATION, DROPOUT)


def _residual_cnn_layers(problem: Problem, settings: Settings) -> Layers:
    """A stem and stages of residual blocks, the first block of later stages strided (He, 2016)."""
    layers, width = _reduced(problem, settings), int(settings["width"])
    layers += [_conv(width), {"type": "BatchNorm2d"}, _act(settings)]
    for stage in range(int(settings["stages"])):
        for block in range(int(settings["depth"])):
            layers.append(
                {
                    "type": "residual_block",
                    "out_channels": width * 2**stage,
                    "stride": 2 if stage and not block else 1,
                    "activation": settings["activation"],
                }
            )
        layers += [{"type": "squeeze_excite"}] if settings["squeeze_excite"] == "yes" else []
    return [*layers, *_readout(problem, {**settings, "readout": "pool"})]


def _patch(problem: Problem) -> Knob:
    """Patch sides that leave 9 to 50 tokens, coarsest first; the image is padded where they do not divide it."""
    height, width = problem.input_shape[1:]
    sides = [p for p in (32, 16, 14, 8, 7, 4, 2, 1) if 9 <= -(-height // p) * -(-width // p) <= 50]
    dividing = [p for p in sides if height % p == 0 and width % p == 0]
    return Knob("patch", tuple((dividing or sides or [max(1, max(height, width) // 6)])[:2]), ordered=False)


def _vit_knobs(problem: Problem) -> tuple[Knob, ...]:
    width = Knob("width", (16, 32, 48, 64, 96))
    return (width, Knob("depth", (2, 3, 4)), _patch(problem), Knob("activation", ("gelu",), ordered=False), DROPOUT)


def _vit_layers(problem: Problem, settings: Settings) -> Layers:
    """Patches, positions, transformer blocks, mean over tokens (Dosovitskiy, 2021; Beyer, 2022)."""
    width = int(settings["width"])
    block = {"type": "transformer_block", "heads": 4, "hidden": 2 * width, "dropout": settings["dropout"]}
    middle: Layers = [{"type": "positional_embedding"}, *(dict(block) for _ in range(int(settings["depth"])))]
    return _tokens(problem, settings, middle)


def _mixer_layers(problem: Problem, settings: Settings) -> Layers:
    """Patches and mixer blocks (Tolstikhin, 2021)."""
    block = {"type": "mixer_block", "hidden": 2 * int(settings["width"]), "dropout": settings["dropout"]}
    return _tokens(problem, settings, [dict(block) for _ in range(int(settings["depth"]))])


def _tokens(problem: Problem, settings: Settings, middle: Layers) -> Layers:
    patch = int(settings["patch"])
    height, width = problem.input_shape[1:]
    below, right = -height % patch, -width % patch
    padding = [{"type": "ZeroPad2d", "padding": [0, right, 0, below]}] if below or right else []
    return [
        *padding,
        {"type": "patch_embed", "width": settings["width"], "patch_size": patch},
        *middle,
        {"type": "LayerNorm"},
        {"type": "global_average_pool"},
        {"type": "Linear", "out_features": problem.num_outputs},
    ]


# ---- texts -------------------------------------------------------------------------------------------------------


def _bag_knobs(_problem: Problem) -> tuple[Knob, ...]:
    return (Knob("width", (16, 32, 64, 128)), Knob("depth", (0, 1, 2)), ACTIVATION, DROPOUT)


def _bag_layers(problem: Problem, settings: Settings) -> Layers:
    """The mean of a text's word vectors; at depth 0 a linear model on top of it (Joulin, 2017)."""
    layers = [_embedding(problem, settings), {"type": "word_mean"}, *_dropout(settings)]
    for _ in range(int(settings["depth"])):
        layers += [{"type": "Linear", "out_features": settings["width"]}, _act(settings), *_dropout(settings)]
    return [*layers, {"type": "Linear", "out_features": problem.num_outputs}]


def _text_cnn_knobs(_problem: Problem) -> tuple[Knob, ...]:
    windows = Knob("windows", ("1-2-3", "2-3-4", "3-4-5"))
    return (Knob("width", (16, 32, 64, 96)), Knob("depth", (0, 1)), windows, ACTIVATION, DROPOUT)


def _text_cnn_layers(problem: Problem, settings: Settings) -> Layers:
    """Filters over neighbouring words, the largest answer of each (Kim, 2014); depth counts the layers after it."""
    sizes = [int(size) for size in str(settings["windows"]).split("-")]
    layers = [
        _embedding(problem, settings),
        {"type": "word_convolution", "filters": settings["width"], "sizes": sizes},
        *_dropout(settings),
    ]
    for _ in range(int(settings["depth"])):
        layers += [{"type": "Linear", "out_features": settings["width"]}, _act(settings), *_dropout(settings)]
    return [*layers, {"type": "Linear", "out_features": problem.num_outputs}]


def _text_transformer_knobs(_problem: Problem) -> tuple[Knob, ...]:
    activation = Knob("activation", ("gelu",), ordered=False)
    return (Knob("width", (16, 32, 64, 96)), Knob("depth", (1, 2, 3)), activation, DROPOUT)


def _text_transformer_layers(problem: Problem, settings: Settings) -> Layers:
    """Self-attention among the words, and their mean (Vaswani, 2017)."""
    return [
        _embedding(problem, settings),
        {
            "type": "text_transformer",
            "heads": 4,
            "hidden": 2 * int(settings["width"]),
            "depth": settings["depth"],
            "dropout": settings["dropout"],
        },
        *_dropout(settings),
        {"type": "Linear", "out_features": problem.num_outputs},
    ]


def _embedding(problem: Problem, settings: Settings) -> dict[str, Any]:
    """The padding's vector is zero and stays so, by which the blocks after it know padding."""
    return {
        "type": "Embedding",
        "num_embeddings": problem.vocab_size,
        "embedding_dim": settings["width"],
        "padding_idx": 0,
    }


# ---- what they share ---------------------------------------------------------------------------------------------


def _grid(problem: Problem) -> int:
    """The shorter side after ``_reduced``."""
    side = min(problem.input_shape[1:])
    return max(1, -(-side // _reduction(problem)))


def _reduction(problem: Problem) -> int:
    factor, side = 1, max(problem.input_shape[1:])
    while side > LARGEST_GRID * factor and factor < 64:
        factor *= 2
    return factor


def _reduced(problem: Problem, settings: Settings) -> Layers:
    """A strided convolution for large images, nothing for small ones."""
    factor = min(_reduction(problem), *problem.input_shape[1:])
    if factor == 1:
        return []
    stem = {"type": "Conv2d", "out_channels": settings["width"], "kernel_size": factor, "stride": factor}
    return [stem, {"type": "BatchNorm2d"}, _act(settings)]


def _readout(problem: Problem, settings: Settings) -> Layers:
    flat = "global_average_pool" if settings["readout"] == "pool" else "Flatten"
    return [{"type": flat}, *_dropout(settings), {"type": "Linear", "out_features": problem.num_outputs}]


def _conv(width: int) -> dict[str, Any]:
    return {"type": "Conv2d", "out_channels": width, "kernel_size": 3, "padding": 1, "bias": False}


def _act(settings: Settings) -> dict[str, Any]:
    return {"type": settings["activation"]}


def _norm(settings: Settings, types: dict[str, str]) -> Layers:
    chosen = types.get(str(settings["norm"]))
    if chosen is None:
        return []
    return [{"type": chosen, "num_groups": 8}] if chosen == "GroupNorm" else [{"type": chosen}]


def _dropout(settings: Settings) -> Layers:
    return [{"type": "Dropout", "p": settings["dropout"]}] if float(settings["dropout"]) else []


MLP = Family("mlp", "multilayer perceptron", "MLP", _mlp_knobs, _mlp_layers)
RESIDUAL_MLP = Family("residual_mlp", "residual perceptron", "ResidualMLP", _residual_mlp_knobs, _residual_mlp_layers)
CNN = Family("cnn", "convolutional network", "ConvNet", _cnn_knobs, _cnn_layers)
RESIDUAL_CNN = Family(
    "residual_cnn", "residual convolutional network", "ResidualConvNet", _residual_cnn_knobs, _residual_cnn_layers
)
VIT = Family("vit", "small vision transformer", "VisionTransformer", _vit_knobs, _vit_layers)
MIXER = Family("mixer", "MLP-mixer", "Mixer", _vit_knobs, _mixer_layers)
BAG_OF_WORDS = Family("bag_of_words", "bag of words", "BagOfWords", _bag_knobs, _bag_layers)
TEXT_CNN = Family("text_cnn", "convolutional network over words", "TextCNN", _text_cnn_knobs, _text_cnn_layers)
TEXT_TRANSFORMER = Family(
    "text_transformer",
    "small transformer over words",
    "WordTransformer",
    _text_transformer_knobs,
    _text_transformer_layers,
)
