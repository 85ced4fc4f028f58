"""The settings a search turns: each a finite list of values, so that "the same configuration" has a meaning.

``Scale`` holds the lists that depend on the amount of data: fewer rows allow fewer features, need more epochs and
stronger regularisation. Pure values; no Optuna.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from fumehood.records import Dataset
from fumehood_shared.messages import InputKind, Task

Setting = int | float | str
Settings = Mapping[str, Setting]


@dataclass(frozen=True)
class Knob:
    """One setting and its values; ``ordered`` if neighbours in the list are alike."""

    name: str
    values: tuple[Setting, ...]
    ordered: bool = True


@dataclass(frozen=True)
class Problem:
    """What of a data set the search needs to know."""

    kind: InputKind
    task: Task
    input_shape: tuple[int, ...]
    num_outputs: int
    rows: int
    """Training rows."""
    vocab_size: int = 0
    """Of token inputs: indices go from 0, the padding, to one less."""

    @property
    def inputs(self) -> int:
        """Values of one example."""
        return prod(self.input_shape)

    @property
    def size(self) -> int:
        """0: under 500 rows, 1: under 5,000, 2: under 20,000, 3: more."""
        return sum(self.rows >= bound for bound in (500, 5_000, 20_000))


def problem_of(dataset: Dataset) -> Problem:
    return Problem(
        dataset.input_kind,
        dataset.task,
        dataset.input_shape,
        dataset.num_outputs,
        dataset.rows("train"),
        dataset.vocab_size or 0,
    )


ACTIVATION = Knob("activation", ("relu", "gelu", "silu"), ordered=False)
DROPOUT = Knob("dropout", (0.0, 0.1, 0.2, 0.3, 0.5))


def vector_width(problem: Problem) -> Knob:
    """Features of a layer over vectors."""
    bysize = ((8, 16, 32, 64), (16, 32, 64, 128, 256), (32, 64, 128, 256, 512), (64, 128, 256, 512))
    return Knob("width", bysize[problem.size])


def recipe_knobs(problem: Problem) -> tuple[Knob, ...]:
    """How to train: the same for all families on one problem, but for the values that suit them."""
    image = problem.kind is InputKind.IMAGE
    knobs = [
        Knob("optimizer", ("adamw", "sgd"), ordered=False),
        Knob("lr", (0.0003, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01)),
        Knob("weight_decay", (0.0, 0.001, 0.01, 0.05, 0.1, 0.3, 1.0)),
        Knob("schedule", ("cosine", "one_cycle"), ordered=False),
        _epochs(problem),
        Knob("batch_size", ((16, 32, 64), (32, 64, 128), (64, 128, 256), (128, 256, 512))[problem.size]),
        Knob("augment", _augmentations(problem), ordered=False),
    ]
    if problem.task is Task.CLASSIFICATION:
        knobs.append(Knob("label_smoothing", (0.0, 0.05, 0.1)))
    if not image:
        knobs.append(Knob("early_stop", (0.0, 0.1, 0.2)))
    return tuple(knobs)


def recipe(problem: Problem, settings: Settings) -> dict[str, object]:
    """The fields of ``messages.Recipe`` for ``settings``.

    The learning rate is stated for Adam's kind of step; SGD with momentum gets ten times as much.
    """
    lr = float(settings["lr"])
    fields: dict[str, object] = {
        "optimizer": settings["optimizer"],
        "lr": lr if settings["optimizer"] == "adamw" else round(10 * lr, 6),
        # SGD multiplies the decay by a ten times higher rate and has no adaptive scale to work against
        "weight_decay": settings["weight_decay"] if settings["optimizer"] == "adamw" else _sgd_decay(settings),
        "schedule": settings["schedule"],
        "warmup_fraction": 0.05 if settings["schedule"] == "cosine" else 0.25,
        "epochs": settings["epochs"],
        "batch_size": settings["batch_size"],
        "augment": [] if settings["augment"] == "none" else str(settings["augment"]).split("+"),
    }
    if problem.task is Task.CLASSIFICATION:
        fields["label_smoothing"] = settings["label_smoothing"]
    if settings.get("early_stop"):
        fields |= {"early_stop_fraction": settings["early_stop"], "early_stop_patience": 20}
    return fields


def _sgd_decay(settings: Settings) -> float:
    return round(float(settings["weight_decay"]) / 10, 6)


def _epochs(problem: Problem) -> Knob:
    images = ((10, 20, 30, 60, 100), (5, 10, 15, 25, 40), (3, 5, 8, 12, 20), (1, 2, 3, 5, 8, 12))
    vectors = ((40, 80, 120, 200), (20, 40, 60, 100), (10, 20, 30, 50), (5, 10, 20, 30))
    texts = ((10, 20, 30, 50), (5, 10, 15, 25), (3, 5, 8, 12), (1, 2, 3, 5))
    by_kind = {InputKind.IMAGE: images, InputKind.TABULAR: vectors, InputKind.TOKENS: texts}
    return Knob("epochs", by_kind[problem.kind][problem.size])


def _augmentations(problem: Problem) -> tuple[str, ...]:
    if problem.kind is InputKind.TOKENS:
        return ("none",)
    if problem.kind is InputKind.TABULAR:
        return ("none", "noise", "mixup")
    colour = ("flip+shift", "flip+shift+cutout") if problem.input_shape[0] == 3 else ()
    return ("none", "shift", "shift+mixup", "shift+cutout", *colour)
