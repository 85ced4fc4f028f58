"""A goal in words becomes a ``Goal``, by rules: metric, target, data set, limits on parameters and training.

``parse`` reads the text before the data, and so the task, are known; ``complete`` settles the rest with the task.
Explicit settings win over the text. Strict and non-strict comparisons ("above 95%", "at least 95%") are treated alike.
What the rules do not understand they leave alone, but never guess between two readings: two different targets, two
metrics with targets or two data sets are errors that say what to write instead.
"""

from math import isfinite

from fumehood.errors import UsageError
from fumehood.goal import datasets, durations, parameters
from fumehood.goal.aim import aim, in_units
from fumehood.goal.words import Number, Span
from fumehood.records import Goal, GoalDraft
from fumehood.scoring.metrics import DEFAULTS, find, for_task
from fumehood_shared.messages import Task

MAX_CHARS = 10_000


def parse(text: str, *, data: str | None = None, metric: str | None = None, target: float | None = None) -> GoalDraft:
    """Read a goal. ``data``, ``metric`` and ``target`` are explicit settings and win over the text.

    Raises UsageError for an empty or too long goal, an unknown metric, and anything contradictory.
    """
    _check_text(text)
    if target is not None and not isfinite(target):
        raise UsageError(f"{target} is no target.", "Give a finite number.")
    limit, rest = parameters.limit(text)
    seconds, rest = durations.limit(rest)
    named, found = aim(datasets.without(rest), find(metric) if metric else None, explicit=target is not None)
    number = found if target is None else Number(target, False, "", Span(0, 0))
    return GoalDraft(
        text=text.strip(),
        metric=named.name if named else None,
        target=number.value if number else None,
        percent=bool(number and number.percent),
        data=data or datasets.named(text),
        max_parameters=limit,
        max_train_s=seconds,
    )


def complete(draft: GoalDraft, task: Task) -> Goal:
    """Settle a draft once the task is known: default metric, and a target in the metric's own units.

    Raises UsageError for a metric of another task and for a target that the metric cannot take.
    """
    metric = for_task(draft.metric or DEFAULTS[task], task)
    return Goal(
        text=draft.text,
        metric=metric.name,
        direction=metric.direction,
        target=None if draft.target is None else in_units(metric, draft.target, percent=draft.percent),
        data=draft.data,
        max_parameters=draft.max_parameters,
        max_train_s=draft.max_train_s,
    )


def _check_text(text: str) -> None:
    if not text.strip():
        raise UsageError("The goal is empty.", 'Say what to achieve, for example "Classify digits with >95% accuracy".')
    if len(text) > MAX_CHARS:
        raise UsageError(
            f"The goal has {len(text):,} characters and at most {MAX_CHARS:,} are read.", "Say it in fewer words."
        )
