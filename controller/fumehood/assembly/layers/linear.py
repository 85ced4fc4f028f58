"""Linear, Embedding and Identity."""

from fumehood.assembly.arguments import MAX_WIDTH, Argument, Values, flag, whole
from fumehood.assembly.errors import LayerMisfitError
from fumehood.assembly.layer import Call, LayerType, Step, changed
from fumehood.assembly.shapes import Signal, agree, sequence


def linear(signal: Signal, values: Values) -> Step:
    """Acts on the last axis, as torch does; ``trace`` flattens channels first where that is meant."""
    wide = agree("in_features", values.maybe("in_features"), signal.shape[-1])
    out = values.whole("out_features")
    bias = values.flag("bias")
    return Step(
        Call("nn.Linear", (wide, out), changed(values, {"bias": True})),
        Signal((*signal.shape[:-1], out), signal.layout),
        parameters=wide * out + (out if bias else 0),
        multiply_adds=signal.size * out,
    )


def embedding(signal: Signal, values: Values) -> Step:
    if signal.layout != "indices":
        raise LayerMisfitError(
            "it reads token indices, so it must be the first layer of a model whose input_shape is (length,)",
            "Move it to the front, or use linear or patch_embed for float inputs.",
        )
    rows, wide = values.whole("num_embeddings"), values.whole("embedding_dim")
    padding = values.maybe("padding_idx")
    if padding is not None and padding >= rows:
        raise LayerMisfitError(f"padding_idx is {padding}; expected less than num_embeddings, {rows}")
    keywords = {} if padding is None else {"padding_idx": padding}
    return Step(
        Call("nn.Embedding", (rows, wide), dict(keywords)), sequence(signal.shape[0], wide), parameters=rows * wide
    )


def identity(signal: Signal, _values: Values) -> Step:
    return Step(Call("nn.Identity"), signal)


TYPES = (
    LayerType(
        "Linear",
        "linear",
        linear,
        (
            Argument("in_features", whole(), aliases=("in", "input_size", "input_dim", "in_dim", "inputs")),
            Argument(
                "out_features",
                whole(),
                aliases=("out", "units", "size", "features", "output_size", "output_dim", "out_dim", "hidden", "width"),
            ),
            Argument("bias", flag, True, ("use_bias",)),
        ),
        ("dense", "fc", "fullyconnected", "affine"),
    ),
    LayerType(
        "Embedding",
        "embedding",
        embedding,
        (
            Argument("num_embeddings", whole(1, 2**22), aliases=("vocab_size", "num_tokens", "input_dim")),
            Argument("embedding_dim", whole(), aliases=("dim", "embed_dim", "output_dim", "features", "width")),
            Argument("padding_idx", whole(0, MAX_WIDTH)),
        ),
        ("embed", "tokenembedding"),
    ),
    LayerType("Identity", "identity", identity, (), ("noop", "passthrough")),
)
