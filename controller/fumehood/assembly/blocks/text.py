"""Blocks over embedded words. Padding is told by its zero vector, which an Embedding with padding_idx 0 gives it."""

from fumehood.assembly.arguments import Argument, Values, per_axis, whole
from fumehood.assembly.blocks.common import DROPOUT
from fumehood.assembly.errors import LayerMisfitError
from fumehood.assembly.layer import Call, LayerType, Step
from fumehood.assembly.layers.attention import attention_cost, attention_weights, heads_divide
from fumehood.assembly.shapes import Signal, features, require

ADVICE = "Use Embedding with padding_idx 0 on token indices first."

WORD_MEAN = '''
class WordMean(nn.Module):
    """The mean over the words of a text; padding, whose vectors are zero, does not count (Joulin et al., 2017)."""

    def forward(self, x: Tensor) -> Tensor:
        words = torch.any(x != 0, dim=2, keepdim=True)
        return x.sum(dim=1) / torch.sum(words, dim=1).clamp(min=1)
'''

WORD_CONVOLUTION = '''
class WordConvolution(nn.Module):
    """Filters over runs of neighbouring words, each with its largest answer in the text (Kim, 2014)."""

    def __init__(self, width: int, filters: int, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv1d(width, filters, size, padding=size // 2) for size in sizes)

    def forward(self, x: Tensor) -> Tensor:
        channels = x.transpose(1, 2)
        return torch.cat([torch.relu(layer(channels)).amax(dim=2) for layer in self.layers], dim=1)
'''

TEXT_TRANSFORMER = '''
class TextTransformer(nn.Module):
    """Positions, self-attention among the words of a text, normalised first (Xiong et al., 2020), and their mean."""

    def __init__(self, tokens: int, width: int, heads: int, hidden: int, depth: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.empty(1, tokens, width))
        nn.init.trunc_normal_(self.position, std=0.1)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, hidden, dropout, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(depth)
        )
        for layer in self.layers:
            layer.self_attn.dropout = 0.0  # dropout of attention weights would rule out the fused kernel
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        words = torch.any(x != 0, dim=2)
        x = x + self.position
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=~words)
        x = self.norm(x) * torch.unsqueeze(words, 2)
        return x.sum(dim=1) / torch.sum(words, dim=1, keepdim=True).clamp(min=1)
'''


def word_mean(signal: Signal, _values: Values) -> Step:
    require(signal, "sequence", 2, ADVICE)
    return Step(Call("WordMean", ()), features(signal.shape[1]))


def word_convolution(signal: Signal, values: Values) -> Step:
    require(signal, "sequence", 2, ADVICE)
    tokens, width = signal.shape
    filters, sizes = values.whole("filters"), _sizes(values)
    weights = sum(width * size * filters for size in sizes)
    return Step(
        Call("WordConvolution", (width, filters, sizes)),
        features(filters * len(sizes)),
        parameters=weights + filters * len(sizes),
        multiply_adds=weights * tokens,
    )


def _sizes(values: Values) -> tuple[int, ...]:
    sizes = values["sizes"]
    if isinstance(sizes, int):
        return (sizes,)
    if not isinstance(sizes, tuple):
        raise LayerMisfitError("sizes is missing", "Give the numbers of neighbouring words, for example [3, 4, 5].")
    return sizes


def text_transformer(signal: Signal, values: Values) -> Step:
    require(signal, "sequence", 2, ADVICE)
    tokens, width = signal.shape
    heads, hidden, depth = values.whole("heads"), values.maybe("hidden") or 2 * width, values.whole("depth")
    heads_divide(heads, width)
    block = attention_weights(width) + 2 * width * hidden + hidden + width + 4 * width
    dropout = values.real("dropout")
    return Step(
        Call("TextTransformer", (tokens, width, heads, hidden, depth), {"dropout": dropout} if dropout else {}),
        features(width),
        parameters=tokens * width + depth * block + 2 * width,
        multiply_adds=depth * (attention_cost(tokens, width) + 2 * tokens * width * hidden),
    )


TYPES = (
    LayerType("word_mean", "words", word_mean, (), ("embeddingbag", "maskedmean"), WORD_MEAN),
    LayerType(
        "word_convolution",
        "words",
        word_convolution,
        (
            Argument("filters", whole(), 64, ("out_channels", "channels")),
            Argument("sizes", per_axis(1, 31, longest=8), (3, 4, 5), ("kernel_sizes", "kernel_size", "windows")),
        ),
        ("textcnn", "textconvolution"),
        WORD_CONVOLUTION,
    ),
    LayerType(
        "text_transformer",
        "words",
        text_transformer,
        (
            Argument("heads", whole(1, 1024), 4, ("num_heads", "nhead")),
            Argument("hidden", whole(), aliases=("mlp_dim", "hidden_dim", "dim_feedforward", "ff_dim")),
            Argument("depth", whole(1, 64), 2, ("num_layers", "layers")),
            DROPOUT,
        ),
        (),
        TEXT_TRANSFORMER,
    ),
)
