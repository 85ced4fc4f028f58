"""What can be measured: one row per metric, with all that goals, decisions and reports need to know of it.

Plain data, always importable. The numbers themselves are computed in ``confusion``, ``ranking``, ``probability`` and
``regression``; a test holds that every row here is computed there for its tasks, and nothing else is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import Literal

from fumehood.errors import UsageError
from fumehood_shared.messages import Task

Scale = Literal["score", "log", "log_gap", "atanh", "upper"]
"""How ``intervals`` keeps an interval inside the metric's range; its docstring defines each."""


@dataclass(frozen=True)
class Metric:
    """One metric. ``low`` and ``high`` bound its values; ``aliases`` are what people write, in lower case.

    ``needs_probabilities``: ranks or sizes of logits count, and not only which is the largest.
    """

    name: str
    direction: Literal["max", "min"]
    task: Task
    low: float
    high: float
    scale: Scale
    needs_probabilities: bool = False
    needs_every_class: bool = False
    """Not defined where a class has no example in the split."""
    aliases: tuple[str, ...] = ()

    def reaches(self, bound: float, target: float) -> bool:
        """Whether ``bound`` is at least as good as ``target``."""
        return bound >= target if self.direction == "max" else bound <= target


def _rate(name: str, *aliases: str) -> Metric:
    return Metric(name, "max", Task.CLASSIFICATION, 0.0, 1.0, "score", aliases=aliases)


def _ranking(name: str, *aliases: str) -> Metric:
    return Metric(name, "max", Task.CLASSIFICATION, 0.0, 1.0, "score", True, True, aliases)


def _loss(name: str, high: float, scale: Scale, *aliases: str) -> Metric:
    return Metric(name, "min", Task.CLASSIFICATION, 0.0, high, scale, True, aliases=aliases)


def _regression(
    name: str, direction: Literal["max", "min"], low: float, high: float, scale: Scale, *aliases: str
) -> Metric:
    return Metric(name, direction, Task.REGRESSION, low, high, scale, aliases=aliases)


_ALL = (
    _rate(
        "accuracy", "top-1 accuracy", "top 1 accuracy", "top1 accuracy", "top-1", "top 1", "acc", "accurate",
        "accurately", "correct", "correctly",
    ),
    _rate("balanced_accuracy", "balanced accuracy", "mean class accuracy", "mean per-class accuracy", "uar"),
    _rate(
        "f1_macro", "macro f1", "macro-f1", "f1 macro", "macro-averaged f1", "macro averaged f1", "f1 score",
        "f1-score", "f-score", "f1", "f-1", "f score", "f-measure",
    ),
    _rate("f1_micro", "micro f1", "micro-f1", "f1 micro", "micro-averaged f1", "micro averaged f1"),
    _rate("f1_weighted", "weighted f1", "weighted-f1", "f1 weighted", "weighted-averaged f1"),
    _rate("precision_macro", "macro precision", "macro-precision", "macro-averaged precision", "precision"),
    _rate("precision_micro", "micro precision", "micro-precision", "micro-averaged precision"),
    _rate("precision_weighted", "weighted precision", "weighted-precision"),
    _rate("recall_macro", "macro recall", "macro-recall", "macro-averaged recall", "recall", "sensitivity"),
    _rate("recall_micro", "micro recall", "micro-recall", "micro-averaged recall"),
    _rate("recall_weighted", "weighted recall", "weighted-recall"),
    _ranking(
        "roc_auc", "roc auc", "roc-auc", "auc-roc", "auc roc", "auroc", "auc", "area under the roc curve",
        "area under the curve",
    ),
    _ranking("average_precision", "average precision", "pr auc", "pr-auc", "auc-pr", "auprc", "auc pr"),
    _loss("log_loss", inf, "log", "log loss", "log-loss", "logloss", "cross-entropy", "cross entropy", "nll"),
    _loss("brier", 2.0, "log", "brier score", "brier loss"),
    _loss("calibration_error", 1.0, "upper", "expected calibration error", "calibration error", "ece"),
    _regression("r2", "max", -inf, 1.0, "log_gap", "r²", "r^2", "r-squared", "r squared", "r-square",
                "coefficient of determination"),
    _regression("rmse", "min", 0.0, inf, "log", "root mean squared error", "root mean square error",
                "root-mean-square error", "root-mean-squared error"),
    _regression("mae", "min", 0.0, inf, "log", "mean absolute error"),
    _regression("spearman", "max", -1.0, 1.0, "atanh", "rank correlation", "spearman correlation", "spearman's rho",
                "spearman rho"),
)  # fmt: skip

METRICS: Mapping[str, Metric] = MappingProxyType({m.name: m for m in _ALL})
"""Name -> metric, in the order in which reports list them."""

DEFAULTS: Mapping[Task, str] = MappingProxyType({Task.CLASSIFICATION: "accuracy", Task.REGRESSION: "r2"})
"""The metric of a goal that names none."""


def for_task(name: str, task: Task) -> Metric:
    """The metric called ``name``. Raises UsageError for one of another task, listing those of ``task``."""
    metric = METRICS.get(name)
    if metric is None or metric.task is not task:
        fitting = ", ".join(m.name for m in METRICS.values() if m.task is task)
        raise UsageError(f"{name} cannot be measured: the data set is for {task.value}.", f"Use: {fitting}.")
    return metric


def find(name: str) -> Metric:
    """The metric that ``name`` means: its own name or an alias, in any case. Raises UsageError listing the names."""
    wanted = " ".join(name.strip().lower().split())
    named = METRICS.get(wanted.replace(" ", "_").replace("-", "_"))
    aliased = next((m for m in _ALL if wanted in m.aliases), None)
    metric = named or aliased
    if metric is None:
        raise UsageError(f"There is no metric named {name.strip()[:60]!r}.", f"Choose one of: {', '.join(METRICS)}.")
    return metric
