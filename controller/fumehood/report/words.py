"""Numbers, durations and names as people read them.

Pure. Functions of numbers return text made of numbers and units alone, which is safe in every sink. What ``label``,
``layer``, ``architecture`` and ``setting`` return comes from outside and still has to pass the sink's own function of
``fumehood.text``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fumehood.records import Goal, GoalDraft, Interval, MetricSummary, StopReason

NOTHING = "—"
"""Shown where there is no value."""

STOPPED = {
    StopReason.GOAL_MET: "the lower confidence bound on validation reached the target",
    StopReason.ITERATIONS: "the planned number of iterations was reached",
    StopReason.BUDGET: "a budget was used up",
    StopReason.EXHAUSTED: "the planner had nothing more to propose",
}

_ABBREVIATIONS = {word: word.upper() for word in ("auc", "f1", "mae", "r2", "rmse", "roc")}


def number(value: float | None, digits: int = 3) -> str:
    """``value`` with ``digits`` decimals below 10, fewer above, scientific where it would round to nothing."""
    if value is None:
        return NOTHING
    size = abs(value)
    if size >= 1e7 or 0 < size < 10**-digits:
        return f"{value:.2e}"
    decimals = digits if size < 10 else max(digits - 1, 0) if size < 100 else max(digits - 2, 0)
    return f"{value:,.{decimals if size < 10_000 else 0}f}"


def apart(value: float, other: float, digits: int = 3) -> str:
    """``number(value)``, with as many decimals as it takes to see on which side of ``other`` it lies."""
    for more in range(digits, 9):
        if value == other or number(value, more) != number(other, more):
            return number(value, more)
    return repr(value)


def interval(found: Interval | None, digits: int = 3) -> str:
    """``[low, high]``, or the sign for nothing."""
    return NOTHING if found is None else f"[{number(found.low, digits)}, {number(found.high, digits)}]"


def estimate(summary: MetricSummary, digits: int = 3) -> str:
    """``mean [low, high]``."""
    if summary.interval is None:
        return number(summary.mean, digits)
    return f"{number(summary.mean, digits)} {interval(summary.interval, digits)}"


def measure(found: MetricSummary | float | None, digits: int = 3) -> str:
    """What was measured with its interval, or a bare number."""
    return estimate(found, digits) if isinstance(found, MetricSummary) else number(found, digits)


def level(found: Interval) -> str:
    """``95%``."""
    return f"{found.level * 100:g}%"


def count(value: int | None) -> str:
    """``1,234``."""
    return NOTHING if value is None else f"{value:,}"


def counted(value: int, noun: str, plural: str = "") -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{value:,} {noun if value == 1 else plural or noun + 's'}"


def duration(seconds: float | None) -> str:
    """``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds is None:
        return NOTHING
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def price(usd: float | None) -> str:
    """``$0.0123``; ``unknown`` where nobody knows it, which is not nothing."""
    return "unknown" if usd is None else f"${usd:.4f}"


def size(nbytes: int | None) -> str:
    """Bytes in binary units: ``512 B``, ``1.5 MiB``."""
    if nbytes is None:
        return NOTHING
    value, unit = float(nbytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def label(metric: str) -> str:
    """The name of a metric in a sentence: ``balanced_accuracy`` reads ``balanced accuracy``, ``rmse`` ``RMSE``."""
    return " ".join(_ABBREVIATIONS.get(word, word) for word in metric.split("_"))


def layer(described: object) -> str:
    """One layer of a plan's ``model_config`` on one line: ``conv(channels=32, kernel=3)``."""
    if not isinstance(described, Mapping):
        return str(described)
    rest = ", ".join(f"{key}={_argument(value)}" for key, value in described.items() if key != "type")
    return f"{described.get('type', 'layer')}({rest})" if rest else str(described.get("type", "layer"))


def architecture(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Every layer of a plan's ``model_config``, in order."""
    layers = config.get("layers", ())
    return tuple(layer(one) for one in layers) if isinstance(layers, list | tuple) else (str(layers),)


def setting(value: object) -> str:
    """One setting's value: ``yes``, ``0.003``, ``noise, flip``, ``none``."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(setting(one) for one in value) or "none"
    if isinstance(value, Mapping):
        return layer(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _argument(value: object) -> str:
    return f"({setting(value)})" if isinstance(value, list | tuple) else setting(value)


def understood(goal: Goal, draft: GoalDraft | None = None) -> str:
    """What is pursued, in numbers: ``accuracy of at least 0.95, with at most 100,000 parameters``."""
    named = "the usual metric of the task" if goal.metric == "undecided" else label(goal.metric)
    if goal.target is None:
        aim = f"{named}, as good as possible"
    else:
        unit = "%" if draft and draft.percent and goal.target == draft.target else ""
        aim = f"{named} of at {'least' if goal.direction == 'max' else 'most'} {goal.target:g}{unit}"
    limits = [f"at most {goal.max_parameters:,} parameters"] if goal.max_parameters is not None else []
    limits += [f"at most {duration(goal.max_train_s)} of training"] if goal.max_train_s is not None else []
    return f"{aim}, with {' and '.join(limits)}" if limits else aim


def given_up(numbers: Sequence[int]) -> str:
    """What became of iterations that the end of the search found under way."""
    named = ", ".join(str(number) for number in numbers)
    which, them = (f"Iteration {named} was", "it") if len(numbers) == 1 else (f"Iterations {named} were", "them")
    return f"{which} under way when the search stopped: given up, and nothing is decided about {them}"
