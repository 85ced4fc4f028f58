"""One working configuration for every layer type and block, and whole models as people and planners write them."""

from typing import Any

Config = dict[str, Any]

IMAGE = [4, 8, 8]
LINE = [4, 12]
FLAT = [12]
SEQUENCE: list[Any] = [{"type": "patch_embed", "width": 8, "patch_size": 2}]

ELEMENTWISE = [
    "ReLU",
    "ReLU6",
    "LeakyReLU",
    "PReLU",
    "ELU",
    "CELU",
    "SELU",
    "GELU",
    "SiLU",
    "Mish",
    "Tanh",
    "Sigmoid",
    "LogSigmoid",
    "Hardswish",
    "Hardsigmoid",
    "Hardtanh",
    "Hardshrink",
    "Softshrink",
    "Tanhshrink",
    "Softplus",
    "Softsign",
    "Softmax",
    "LogSoftmax",
    "Softmin",
    "Dropout",
    "AlphaDropout",
    "Identity",
]


def model(shape: list[int], *layers: Any, outputs: int = 3) -> Config:
    """The layers with a Linear output, so that each of them stands inside a model."""
    return {
        "class_name": "Example",
        "input_shape": shape,
        "num_outputs": outputs,
        "layers": [*layers, {"type": "Flatten"}, {"type": "Linear"}],
    }


def on_tokens(*layers: Any) -> Config:
    return {
        "class_name": "Example",
        "input_shape": IMAGE,
        "num_outputs": 3,
        "layers": [*SEQUENCE, *layers, "global_average_pool", "linear"],
    }


def _on_vectors() -> dict[str, Config]:
    return {name: model(FLAT, name) for name in ELEMENTWISE} | {
        "Linear": model(FLAT, {"type": "Linear", "in_features": 12, "out_features": 5, "bias": False}),
        "GLU": model(FLAT, "GLU"),
        "BatchNorm": model(FLAT, "BatchNorm"),
        "BatchNorm1d": model(FLAT, {"type": "BatchNorm1d", "num_features": 12, "momentum": 0.2}),
        "RMSNorm": model(FLAT, "RMSNorm"),
        "Unflatten": model(FLAT, {"type": "Unflatten", "unflattened_size": [3, 2, 2]}),
        "residual_mlp_block": model(FLAT, {"type": "residual_mlp_block", "hidden": 7, "norm": "batch", "dropout": 0.1}),
    }


def _on_lines() -> dict[str, Config]:
    return {
        "Conv1d": model(LINE, {"type": "Conv1d", "filters": 6, "kernel": 5, "stride": 2, "padding": 1, "groups": 2}),
        "ConvTranspose1d": model(LINE, {"type": "ConvTranspose1d", "out_channels": 6, "stride": 2, "kernel": 4}),
        "InstanceNorm1d": model(LINE, {"type": "InstanceNorm1d", "affine": True}),
        "Dropout1d": model(LINE, "Dropout1d"),
        "MaxPool1d": model(LINE, {"type": "MaxPool1d", "kernel_size": 5, "stride": 3, "padding": 1, "ceil_mode": True}),
        "AvgPool1d": model(LINE, "AvgPool1d"),
        "AdaptiveAvgPool1d": model(LINE, {"type": "AdaptiveAvgPool1d", "output_size": 3}),
        "AdaptiveMaxPool1d": model(LINE, {"type": "AdaptiveMaxPool1d", "output_size": 5}),
        "ZeroPad1d": model(LINE, {"type": "ZeroPad1d", "padding": [1, 2]}),
        "LSTM": model(LINE, {"type": "LSTM", "hidden_size": 5, "num_layers": 2, "bidirectional": True, "dropout": 0.1}),
        "GRU": model(LINE, {"type": "GRU", "units": 5, "return_sequences": False, "bias": False}),
        "RNN": model(LINE, {"type": "RNN", "hidden": 5, "nonlinearity": "relu", "num_layers": 3}),
    }


def _on_images() -> dict[str, Config]:
    return {
        "Conv2d": model(
            IMAGE, {"type": "Conv2d", "out_channels": 6, "kernel_size": [3, 5], "padding": [1, 2], "dilation": [1, 1]}
        ),
        "ConvTranspose2d": model(
            IMAGE, {"type": "ConvTranspose2d", "out": 6, "stride": 2, "padding": 1, "output_padding": 1, "groups": 2}
        ),
        "BatchNorm2d": model(IMAGE, {"type": "BatchNorm2d", "affine": False, "track_running_stats": False}),
        "LayerNorm": model(IMAGE, "LayerNorm"),
        "GroupNorm": model(IMAGE, {"type": "GroupNorm", "groups": 2}),
        "InstanceNorm2d": model(IMAGE, "InstanceNorm2d"),
        "Dropout2d": model(IMAGE, {"type": "Dropout2d", "rate": 0.2}),
        "MaxPool2d": model(IMAGE, {"type": "MaxPool2d", "pool_size": 3, "stride": 2, "ceil_mode": True}),
        "AvgPool2d": model(IMAGE, {"type": "AvgPool2d", "kernel_size": [2, 3], "padding": [1, 1]}),
        "AdaptiveAvgPool2d": model(IMAGE, {"type": "AdaptiveAvgPool2d", "output_size": [2, 3]}),
        "AdaptiveMaxPool2d": model(IMAGE, "AdaptiveMaxPool2d"),
        "Flatten": model(IMAGE, "flatten"),
        "Upsample": model(IMAGE, {"type": "Upsample", "scale_factor": 2, "mode": "bilinear"}),
        "ZeroPad2d": model(IMAGE, {"type": "ZeroPad2d", "padding": [1, 2, 3, 0]}),
        "ReflectionPad2d": model(IMAGE, {"type": "ReflectionPad2d", "padding": 2}),
        "ReplicationPad2d": model(IMAGE, {"type": "ReplicationPad2d", "padding": [2, 1, 0, 0]}),
        "PixelShuffle": model(IMAGE, "PixelShuffle"),
        "PixelUnshuffle": model(IMAGE, "PixelUnshuffle"),
        "residual_block": model(IMAGE, {"type": "residual_block", "filters": 6, "stride": 2, "activation": "silu"}),
        "depthwise_separable_conv": model(
            IMAGE, {"type": "depthwise_separable_conv", "out": 6, "kernel": 5, "stride": 2, "dropout": 0.1}
        ),
        "squeeze_excite": model(IMAGE, {"type": "squeeze_excite", "reduction": 2}),
        "global_average_pool": model(IMAGE, "global_average_pool"),
        "global_max_pool": model(IMAGE, "global_max_pool"),
    }


def _on_sequences() -> dict[str, Config]:
    return {
        "MultiheadAttention": on_tokens({"type": "MultiheadAttention", "heads": 2, "dropout": 0.1}),
        "TransformerEncoderLayer": on_tokens(
            {"type": "TransformerEncoderLayer", "nhead": 4, "dim_feedforward": 9, "activation": "GELU"}
        ),
        "patch_embed": on_tokens(),
        "transformer_block": on_tokens({"type": "transformer_block", "heads": 2, "hidden": 5, "dropout": 0.1}),
        "mixer_block": on_tokens({"type": "mixer_block", "token_hidden": 3, "hidden": 5, "activation": "relu"}),
        "positional_embedding": on_tokens("positional_embedding"),
        "cls_token": on_tokens("cls_token"),
        "cls_pool": {**on_tokens(), "layers": [*SEQUENCE, "cls_token", "cls_pool", "linear"]},
        "Embedding": {
            "class_name": "Example",
            "input_shape": [9],
            "num_outputs": 3,
            "layers": [{"type": "Embedding", "vocab_size": 20, "dim": 6, "padding_idx": 0}, "mean_pool", "linear"],
        },
    }


def on_words(layer: Any) -> Config:
    return {
        "class_name": "Example",
        "input_shape": [9],
        "num_outputs": 3,
        "layers": [{"type": "Embedding", "vocab_size": 20, "dim": 8, "padding_idx": 0}, layer, "linear"],
    }


def _on_words() -> dict[str, Config]:
    return {
        "word_mean": on_words("word_mean"),
        "word_convolution": on_words({"type": "word_convolution", "filters": 5, "sizes": [2, 3]}),
        "text_transformer": on_words({"type": "text_transformer", "heads": 2, "hidden": 5, "depth": 3, "dropout": 0.1}),
    }


BY_TYPE: dict[str, Config] = {**_on_vectors(), **_on_lines(), **_on_images(), **_on_sequences(), **_on_words()}
"""Type name -> a model that uses it with settings other than the defaults."""

VARIANTS: dict[str, Config] = {
    "no head, sequence": {**on_tokens(), "layers": [*SEQUENCE, "transformer_block"]},
    "no head, image": {**on_tokens(), "layers": [{"type": "conv", "filters": 5, "padding": "same"}, "relu"]},
    "trailing softmax": {**on_tokens(), "layers": ["flatten", "dense", "softmax"]},
    "dense on an image": {**on_tokens(), "layers": [{"type": "dense", "in_features": 256, "units": 9}, "relu", "fc"]},
    "outputs from the last layer": {
        "class_name": "Example",
        "input_shape": [4],
        "layers": [{"type": "fc", "units": 7}],
    },
    "convolution over reflected borders": model(
        IMAGE, {"type": "conv2d", "out": 5, "kernel": 5, "padding": 2, "padding_mode": "reflect", "bias": False}
    ),
    "a long line": model(
        IMAGE,
        {
            "type": "conv2d",
            "in_channels": 4,
            "out_channels": 12,
            "kernel_size": [3, 3],
            "stride": [2, 2],
            "padding": [2, 2],
            "dilation": [2, 2],
            "groups": 4,
            "bias": False,
            "padding_mode": "replicate",
        },
    ),
    "residual block that keeps its shape": model(IMAGE, "residual_block"),
    "residual block on tokens": on_tokens({"type": "residual_mlp_block", "activation": "mish"}),
    "layer norm over tokens": on_tokens({"type": "LayerNorm", "normalized_shape": 8}),
    "linear over tokens": on_tokens({"type": "Linear", "out_features": 5}),
    "prelu per channel": model(IMAGE, {"type": "PReLU", "num_parameters": 4}),
    "attention without bias": on_tokens({"type": "mha", "num_heads": 2, "bias": False}),
    "upsample to a size": model(IMAGE, {"type": "upsample", "size": [5, 9]}),
    "batch norm over a line": model(LINE, "batch_norm"),
    "pool over a line": {**model(LINE), "layers": ["global_average_pool", "linear"]},
    "transposed with dilation": model(
        IMAGE, {"type": "deconv", "out": 3, "kernel": 2, "dilation": 3, "stride": 2, "output_padding": 2, "bias": False}
    ),
}
"""Settings and repairs that ``BY_TYPE`` does not reach."""
