"""The first proposals: settings known to work, before anything has been measured.

Tuned on the data sets that ship with scikit-learn (digits, wine, breast_cancer, iris, diabetes; 60/20/20 split): the
first one is the best guess, the others are its most different rivals.
"""

from collections.abc import Mapping

from fumehood.planning.knobs import Problem, Setting
from fumehood_shared.messages import InputKind, Task

Start = tuple[str, Mapping[str, Setting]]
"""Family and the settings that matter; every other knob takes the value in ``_COMMON`` or its middle one."""

_COMMON: Mapping[str, Setting] = {
    "activation": "relu",
    "optimizer": "adamw",
    "schedule": "one_cycle",
    "norm": "batch",
    "readout": "pool",
    "squeeze_excite": "no",
    "augment": "none",
    "label_smoothing": 0.0,
    "early_stop": 0.0,
    "dropout": 0.0,
    "weight_decay": 0.01,
}

_STRONG: Mapping[str, Setting] = {"weight_decay": 1.0, "epochs": 40}

_IMAGE: tuple[Start, ...] = (
    ("cnn", {"width": 24, "depth": 2, "lr": 0.005, "dropout": 0.1, "activation": "gelu", "label_smoothing": 0.05}),
    ("residual_cnn", {"width": 24, "depth": 1, "lr": 0.005, "augment": "shift", "weight_decay": 0.05}),
    ("cnn", {"width": 32, "depth": 1, "readout": "flatten", "dropout": 0.2, "lr": 0.005, "augment": "shift"}),
    ("mixer", {"width": 48, "depth": 3, "lr": 0.003, "activation": "gelu", "weight_decay": 0.1}),
    ("vit", {"width": 48, "depth": 3, "lr": 0.003, "activation": "gelu", "dropout": 0.1, "weight_decay": 0.1}),
    ("mlp", {"width": 128, "depth": 2, "lr": 0.003, "dropout": 0.3}),
)

_CLASSES: tuple[Start, ...] = (
    (
        "mlp",
        {
            "width": 64,
            "depth": 1,
            "norm": "none",
            "activation": "silu",
            "augment": "noise",
            "dropout": 0.3,
            "lr": 0.001,
            "weight_decay": 0.3,
        },
    ),
    ("mlp", {"depth": 0, "lr": 0.01, "weight_decay": 0.05}),
    ("residual_mlp", {"width": 64, "depth": 2, "norm": "layer", "dropout": 0.2, "lr": 0.001, "weight_decay": 0.1}),
    ("mlp", {"width": 64, "depth": 2, "norm": "none", "activation": "gelu", "augment": "mixup", "dropout": 0.2}),
    ("mlp", {"width": 128, "depth": 2, "dropout": 0.3, "lr": 0.003, "weight_decay": 0.05, "label_smoothing": 0.05}),
)

_VALUES: tuple[Start, ...] = (
    (
        "mlp",
        {"width": 16, "depth": 1, "norm": "none", "activation": "silu", "dropout": 0.2, "lr": 0.003, **_STRONG},
    ),
    ("mlp", {"depth": 0, "lr": 0.01, "weight_decay": 0.3, "epochs": 80}),
    (
        "mlp",
        {"width": 32, "depth": 1, "norm": "none", "activation": "silu", "dropout": 0.3, "augment": "noise", **_STRONG},
    ),
    ("mlp", {"width": 64, "depth": 2, "norm": "none", "dropout": 0.5, "lr": 0.001, "early_stop": 0.1, **_STRONG}),
    ("residual_mlp", {"width": 16, "depth": 1, "norm": "batch", "dropout": 0.3, "lr": 0.001, **_STRONG}),
)
"""Few rows and noisy targets want little freedom; the search finds out where there is more to be had."""


_TEXT: tuple[Start, ...] = (
    ("bag_of_words", {"width": 64, "depth": 0, "lr": 0.01, "dropout": 0.3}),
    ("text_cnn", {"width": 32, "depth": 0, "windows": "1-2-3", "lr": 0.003, "dropout": 0.5}),
    ("text_transformer", {"width": 32, "depth": 1, "lr": 0.002, "dropout": 0.2, "weight_decay": 0.05}),
    ("bag_of_words", {"width": 128, "depth": 1, "lr": 0.005, "dropout": 0.5, "label_smoothing": 0.05}),
)


def starts(problem: Problem) -> tuple[Start, ...]:
    """First proposals for ``problem``, best first."""
    if problem.kind is InputKind.IMAGE:
        return _IMAGE
    if problem.kind is InputKind.TOKENS:
        return _TEXT
    return _CLASSES if problem.task is Task.CLASSIFICATION else _VALUES


def common(name: str) -> Setting | None:
    """What a start uses for a knob that it does not state; None: the knob's middle value."""
    return _COMMON.get(name)
