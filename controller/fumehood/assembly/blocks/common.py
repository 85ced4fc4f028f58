"""Settings that several blocks share."""

from fumehood.assembly.arguments import Argument, Values, real, word
from fumehood.assembly.layer import Literal, Symbol

ACTIVATIONS = {
    "relu": "nn.ReLU",
    "gelu": "nn.GELU",
    "silu": "nn.SiLU",
    "swish": "nn.SiLU",
    "mish": "nn.Mish",
    "elu": "nn.ELU",
    "selu": "nn.SELU",
    "tanh": "nn.Tanh",
    "leaky_relu": "nn.LeakyReLU",
    "hardswish": "nn.Hardswish",
}
"""Activations that a block takes, by the name a configuration gives."""


def activation_argument(default: str) -> Argument:
    return Argument("activation", word(*ACTIVATIONS), default, ("act", "nonlinearity"))


DROPOUT = Argument("dropout", real(0.0, 0.99), 0.0, ("p", "rate", "drop"))


def options(values: Values, activation: str) -> dict[str, Literal]:
    """The keyword arguments ``activation`` and ``dropout`` where they differ from the block's own defaults."""
    keywords: dict[str, Literal] = {}
    if values.word("activation") != activation:
        keywords["activation"] = Symbol(ACTIVATIONS[values.word("activation")])
    if values.real("dropout") > 0:
        keywords["dropout"] = values.real("dropout")
    return keywords
