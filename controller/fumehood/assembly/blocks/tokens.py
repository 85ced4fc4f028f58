"""Blocks over tokens x features: transformer, mixer, position, class token and its readout."""

from fumehood.assembly.arguments import Argument, Values, whole
from fumehood.assembly.blocks.common import DROPOUT, activation_argument, options
from fumehood.assembly.errors import LayerMisfitError
from fumehood.assembly.layer import Call, LayerType, Step
from fumehood.assembly.layers.attention import attention_cost, attention_weights, heads_divide
from fumehood.assembly.shapes import Signal, agree, features, require, sequence

ADVICE = "Use patch_embed on an image, or embedding on token indices, to make tokens first."

TRANSFORMER_BLOCK = '''
class TransformerBlock(nn.Module):
    """Self-attention and a two-layer perceptron, each normalised first and added to its input (Xiong et al., 2020)."""

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        activation: type[nn.Module] = nn.GELU,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, hidden),
            activation(),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.attention_norm(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(x)
'''

MIXER_BLOCK = '''
class MixerBlock(nn.Module):
    """Mixes across tokens, then across features (Tolstikhin et al., 2021)."""

    def __init__(
        self,
        tokens: int,
        width: int,
        token_hidden: int,
        hidden: int,
        activation: type[nn.Module] = nn.GELU,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.token_norm = nn.LayerNorm(width)
        self.token_mlp = nn.Sequential(
            nn.Linear(tokens, token_hidden),
            activation(),
            nn.Dropout(dropout),
            nn.Linear(token_hidden, tokens),
        )
        self.feature_mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, hidden),
            activation(),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.token_mlp(self.token_norm(x).transpose(1, 2)).transpose(1, 2)
        return x + self.feature_mlp(x)
'''

POSITIONAL_EMBEDDING = '''
class PositionalEmbedding(nn.Module):
    """Adds a learned vector to each token, one per position."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.empty(1, tokens, width))
        nn.init.trunc_normal_(self.position, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.position
'''

CLASS_EMBEDDING = '''
class ClassToken(nn.Module):
    """Puts one learned token before all others; the model reads its answer from it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.empty(1, 1, width))
        nn.init.trunc_normal_(self.token, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1)
'''


def transformer(signal: Signal, values: Values) -> Step:
    require(signal, "sequence", 2, ADVICE)
    tokens, width = signal.shape
    agree("width", values.maybe("width"), width)
    heads, hidden = values.whole("heads"), values.maybe("hidden") or 2 * width
    heads_divide(heads, width)
    return Step(
        Call("TransformerBlock", (width, heads, hidden), options(values, "gelu")),
        signal,
        parameters=attention_weights(width) + 2 * width * hidden + hidden + width + 4 * width,
        multiply_adds=attention_cost(tokens, width) + 2 * tokens * width * hidden,
    )


def mixer(signal: Signal, values: Values) -> Step:
    require(signal, "sequence", 2, ADVICE)
    tokens, width = signal.shape
    agree("width", values.maybe("width"), width)
    agree("tokens", values.maybe("tokens"), tokens)
    inner, hidden = values.maybe("token_hidden") or max(1, 2 * tokens), values.maybe("hidden") or 2 * width
    return Step(
        Call("MixerBlock", (tokens, width, inner, hidden), options(values, "gelu")),
        signal,
        parameters=2 * tokens * inner + inner + tokens + 2 * width * hidden + hidden + width + 4 * width,
        multiply_adds=2 * signal.size * (inner + hidden),
    )


def positional(signal: Signal, values: Values) -> Step:
    require(signal, "sequence", 2, ADVICE)
    tokens = agree("tokens", values.maybe("tokens"), signal.shape[0])
    width = agree("width", values.maybe("width"), signal.shape[1])
    return Step(Call("PositionalEmbedding", (tokens, width)), signal, parameters=tokens * width)


def class_token(signal: Signal, values: Values) -> Step:
    require(signal, "sequence", 2, ADVICE)
    width = agree("width", values.maybe("width"), signal.shape[1])
    return Step(Call("ClassToken", (width,)), sequence(signal.shape[0] + 1, width), parameters=width)


def class_pool(signal: Signal, _values: Values) -> Step:
    require(signal, "sequence", 2, ADVICE)
    if signal.shape[0] < 2:
        raise LayerMisfitError("there is only one token", "Put cls_token before the transformer blocks.")
    return Step(None, features(signal.shape[1]), use="x[:, 0]")


_WIDTH = Argument("width", whole(), aliases=("dim", "d_model", "embed_dim", "features"))
_TOKENS = Argument("tokens", whole(), aliases=("num_tokens", "num_patches", "seq_len", "max_len", "length"))
_HIDDEN = Argument("hidden", whole(), aliases=("mlp_dim", "hidden_dim", "dim_feedforward", "ff_dim", "channel_hidden"))
_ACTIVATION = activation_argument("gelu")

TYPES = (
    LayerType(
        "transformer_block",
        "block",
        transformer,
        (_WIDTH, Argument("heads", whole(1, 1024), 4, ("num_heads", "nhead")), _HIDDEN, _ACTIVATION, DROPOUT),
        ("transformer", "encoderblock", "vitblock"),
        TRANSFORMER_BLOCK,
    ),
    LayerType(
        "mixer_block",
        "block",
        mixer,
        (
            _WIDTH,
            _TOKENS,
            Argument("token_hidden", whole(), aliases=("tokens_mlp_dim",)),
            _HIDDEN,
            _ACTIVATION,
            DROPOUT,
        ),
        ("mixer", "mlpmixer", "mlpmixerblock"),
        MIXER_BLOCK,
    ),
    LayerType(
        "positional_embedding",
        "position",
        positional,
        (_TOKENS, _WIDTH),
        ("positionalencoding", "posembed", "positionembedding", "learnedpositionalembedding"),
        POSITIONAL_EMBEDDING,
    ),
    LayerType("cls_token", "cls", class_token, (_WIDTH,), ("classtoken",), CLASS_EMBEDDING),
    LayerType("cls_pool", "pool", class_pool, (), ("clspooling", "classpool")),
)
