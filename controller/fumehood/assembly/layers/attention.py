"""Self-attention layers of ``torch.nn`` over ``(tokens, features)``, always batch first."""

from fumehood.assembly.arguments import Argument, Values, flag, only_true, real, whole, word
from fumehood.assembly.errors import LayerMisfitError
from fumehood.assembly.layer import Call, LayerType, Literal, Step, changed
from fumehood.assembly.shapes import Signal, agree, require

ADVICE = "Use embedding or patch_embed to make a sequence first."


def heads_divide(heads: int, width: int) -> None:
    """Refuse a number of heads that does not divide the width."""
    if width % heads:
        raise LayerMisfitError(f"{heads} heads do not divide {width} features", f"Use a divisor of {width}.")


def attention_weights(width: int, bias: bool = True) -> int:
    """Parameters of multi-head attention: three input projections and one output projection."""
    return 4 * width * width + (4 * width if bias else 0)


def attention_cost(tokens: int, width: int) -> int:
    """Multiply-adds of self-attention: projections, scores, and the weighted sum."""
    return 4 * tokens * width * width + 2 * tokens * tokens * width


def attention(signal: Signal, values: Values) -> Step:
    require(signal, "sequence", 2, ADVICE)
    tokens, wide = signal.shape
    agree("embed_dim", values.maybe("embed_dim"), wide)
    heads = values.whole("num_heads")
    heads_divide(heads, wide)
    return Step(
        Call("nn.MultiheadAttention", (wide, heads), {**changed(values, {"dropout": 0.0, "bias": True}), **_FIRST}),
        signal,
        parameters=attention_weights(wide, values.flag("bias")),
        multiply_adds=attention_cost(tokens, wide),
        use="{layer}(x, x, x, need_weights=False)[0]",
    )


def encoder_layer(signal: Signal, values: Values) -> Step:
    require(signal, "sequence", 2, ADVICE)
    tokens, wide = signal.shape
    agree("d_model", values.maybe("d_model"), wide)
    heads, inner = values.whole("nhead"), values.whole("dim_feedforward")
    heads_divide(heads, wide)
    keywords: dict[str, Literal] = {"dim_feedforward": inner}
    keywords |= changed(values, {"dropout": 0.1, "activation": "relu", "norm_first": False})
    return Step(
        Call("nn.TransformerEncoderLayer", (wide, heads), {**keywords, **_FIRST}),
        signal,
        parameters=attention_weights(wide) + 2 * wide * inner + inner + wide + 4 * wide,
        multiply_adds=attention_cost(tokens, wide) + 2 * tokens * wide * inner,
    )


_FIRST: dict[str, Literal] = {"batch_first": True}
_BATCH_FIRST = Argument("batch_first", only_true, True)

TYPES = (
    LayerType(
        "MultiheadAttention",
        "attention",
        attention,
        (
            Argument("embed_dim", whole(), aliases=("dim", "d_model", "width")),
            Argument("num_heads", whole(1, 1024), aliases=("heads", "nhead")),
            Argument("dropout", real(0.0, 0.99), 0.0),
            Argument("bias", flag, True),
            _BATCH_FIRST,
        ),
        ("attention", "selfattention", "mha", "multiheadselfattention"),
    ),
    LayerType(
        "TransformerEncoderLayer",
        "encoder",
        encoder_layer,
        (
            Argument("d_model", whole(), aliases=("dim", "embed_dim", "width")),
            Argument("nhead", whole(1, 1024), aliases=("num_heads", "heads")),
            Argument("dim_feedforward", whole(), 2048, ("mlp_dim", "hidden", "ff_dim")),
            Argument("dropout", real(0.0, 0.99), 0.1),
            Argument("activation", word("relu", "gelu"), "relu"),
            Argument("norm_first", flag, False),
            _BATCH_FIRST,
        ),
        ("transformerencoder",),
    ),
)
