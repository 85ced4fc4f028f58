"""The residual block over features: a vector, or each token of a sequence."""

from fumehood.assembly.arguments import Argument, Values, whole, word
from fumehood.assembly.blocks.common import DROPOUT, activation_argument, options
from fumehood.assembly.errors import LayerMisfitError
from fumehood.assembly.layer import Call, LayerType, Step, Symbol
from fumehood.assembly.shapes import Signal, agree, describe

RESIDUAL_MLP_BLOCK = '''
class ResidualMLPBlock(nn.Module):
    """Normalise, widen, narrow, add to the input (Gorishniy et al., 2021)."""

    def __init__(
        self,
        width: int,
        hidden: int,
        norm: type[nn.Module] = nn.LayerNorm,
        activation: type[nn.Module] = nn.ReLU,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            norm(width),
            nn.Linear(width, hidden),
            activation(),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)
'''


def residual_mlp(signal: Signal, values: Values) -> Step:
    if signal.layout not in ("features", "sequence"):
        raise LayerMisfitError(f"expected features or tokens, but it receives {describe(signal)}", "Flatten first.")
    width = agree("width", values.maybe("width"), signal.shape[-1])
    hidden, batch = values.maybe("hidden") or 2 * width, values.word("norm") == "batch"
    if batch and signal.layout == "sequence":
        raise LayerMisfitError("norm 'batch' needs a flat vector, not tokens", "Use norm 'layer'.")
    keywords = {"norm": Symbol("nn.BatchNorm1d")} if batch else {}
    weights = 2 * width * hidden
    return Step(
        Call("ResidualMLPBlock", (width, hidden), {**keywords, **options(values, "relu")}),
        signal,
        parameters=weights + hidden + width + 2 * width,
        stored=2 * width + 2 if batch else 0,
        multiply_adds=weights * (signal.size // width),
    )


TYPES = (
    LayerType(
        "residual_mlp_block",
        "block",
        residual_mlp,
        (
            Argument("width", whole(), aliases=("in_features", "dim", "features", "size")),
            Argument("hidden", whole(), aliases=("hidden_features", "hidden_dim", "hidden_size", "units")),
            Argument("norm", word("layer", "batch"), "layer", ("normalization", "normalisation")),
            activation_argument("relu"),
            DROPOUT,
        ),
        ("resmlp", "residualmlp", "residuallinear", "residuallinearblock", "residualdense"),
        RESIDUAL_MLP_BLOCK,
    ),
)
