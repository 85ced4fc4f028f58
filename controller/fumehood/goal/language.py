"""A goal that the rules cannot read, or read only in part, is put to a language model; what it answers is checked.

The rules come first, and what they read stands. The model reads a text that they refuse, in which they find no data set
where none is named elsewhere, or numbers of which they make nothing. Its answer counts only where all of it holds:
metric and data set are known names, the target is one that the metric can take, and every number occurs in the text.
Otherwise the rules' own draft, or their own error, stands.
"""

import re
from math import isclose, isfinite
from typing import Final

from pydantic import BaseModel, ConfigDict

from fumehood import goal
from fumehood.data import specs
from fumehood.errors import UnusableAnswerError, UsageError
from fumehood.goal.aim import in_units
from fumehood.llm import prompts
from fumehood.llm.model import LanguageModel, Message, Question
from fumehood.records import GoalDraft, Phase
from fumehood.scoring.metrics import METRICS, Metric, find

_PACKAGE: Final = "fumehood.goal"
_TOKENS: Final = 4096
_NUMBER: Final = re.compile(r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d{1,3})?|\.\d+", re.IGNORECASE)
_SHARES: Final = (1.0, 0.01)
_COUNTS: Final = (1.0, 1e3, 1e6, 1e9)
_TIMES: Final = (1.0, 1e-3, 60.0, 3600.0, 86400.0)


class GoalAnswer(BaseModel):
    """What a model reads in a goal; None where it is not said."""

    model_config = ConfigDict(frozen=True)

    metric: str | None = None
    target: float | None = None
    data: str | None = None
    max_parameters: float | None = None
    max_train_s: float | None = None
    problem: str | None = None
    """Why the goal cannot be pursued as it is written; None or empty where it can."""


def read(
    text: str,
    model: LanguageModel | None,
    *,
    data: str | None = None,
    metric: str | None = None,
    target: float | None = None,
) -> GoalDraft:
    """``goal.parse``, with a model's help where there is one and the rules are unsure. Explicit settings win over both.

    Raises as ``goal.parse`` does, and as ``LanguageModel.ask`` where no answer comes at all.
    """
    explicit = goal.parse("as good as possible", data=data, metric=metric, target=target)
    draft, refusal = None, None
    try:
        draft = goal.parse(text, data=data, metric=metric, target=target)
    except UsageError as error:
        refusal = error
    if model is not None and _is_readable(text) and _is_unsure(text, draft):
        helped = _helped(text, model, draft or explicit, refusal)
        draft = helped or draft
    if draft is None:
        raise refusal or UsageError("The goal cannot be read.")
    return draft


def _is_unsure(text: str, draft: GoalDraft | None) -> bool:
    """Whether the rules understood too little. A metric that is not said is no reason: every task has its own."""
    if draft is None or draft.data is None:
        return True
    made_of_numbers = draft.max_parameters or draft.max_train_s
    return draft.metric is None and not made_of_numbers and bool(_numbers(text))


def _is_readable(text: str) -> bool:
    return bool(text.strip()) and len(text) <= goal.MAX_CHARS


def _helped(text: str, model: LanguageModel, known: GoalDraft, refusal: UsageError | None) -> GoalDraft | None:
    """The model's reading under what is ``known``; None where it is not usable."""
    try:
        answer = model.ask(_question(text, known, refusal))
        return None if (answer.problem or "").strip() else _filled(text, known, answer)
    except (UnusableAnswerError, UsageError):
        return None


def _question(text: str, known: GoalDraft, refusal: UsageError | None) -> Question[GoalAnswer]:
    system = prompts.fill(
        _PACKAGE, "system.md.j2", metrics=[_described(m) for m in METRICS.values()], data=", ".join(specs.names())
    )
    user = prompts.fill(
        _PACKAGE,
        "task.md.j2",
        text=text.splitlines(),
        known=[f"{name}: {value}" for name in ("metric", "target", "data") if (value := getattr(known, name))],
        refusal=refusal.what if refusal else "",
    )
    messages = (Message("system", system), Message("user", user))
    return Question("goal", Phase.PLANNING, messages, GoalAnswer, _TOKENS)


def _described(metric: Metric) -> str:
    return f"{metric.name}: {'more' if metric.direction == 'max' else 'less'} is better, for {metric.task.value}"


def _filled(text: str, known: GoalDraft, answer: GoalAnswer) -> GoalDraft:
    """Raises UsageError where anything in the answer does not hold."""
    named, data = find(answer.metric) if answer.metric else None, _data(answer.data)
    parameters, seconds = _said(text, answer.max_parameters, _COUNTS), _said(text, answer.max_train_s, _TIMES)
    metric = METRICS[known.metric] if known.metric else named
    target, percent = known.target, known.percent
    if target is None and answer.target is not None:
        if metric is None:
            raise UsageError("A target without a metric.")
        target, percent = _target(text, metric, answer.target), False
    return GoalDraft(
        text=text.strip(),
        metric=metric.name if metric else None,
        target=target,
        percent=percent,
        data=known.data or data,
        max_parameters=known.max_parameters or (round(parameters) if parameters else None),
        max_train_s=known.max_train_s or seconds,
    )


def _target(text: str, metric: Metric, value: float) -> float:
    """In the metric's units; an error rate of 2% in the text may have become an accuracy of 0.98."""
    found = in_units(metric, value)
    shares = [number * factor for number in _numbers(text) for factor in _SHARES]
    if not any(isclose(found, share) or isclose(found, 1 - share) for share in shares):
        raise UsageError("A target that the text does not have.")
    return found


def _data(name: str | None) -> str | None:
    if name is not None and name not in specs.names():
        raise UsageError("A data set that is not known.")
    return name


def _said(text: str, value: float | None, factors: tuple[float, ...]) -> float | None:
    """A positive number that occurs in the text, in one unit or another."""
    if value is None:
        return None
    said = [number * factor for number in _numbers(text) for factor in factors]
    if not isfinite(value) or value <= 0 or not any(isclose(value, number) for number in said):
        raise UsageError("A number that the text does not have.")
    return value


def _numbers(text: str) -> list[float]:
    return [float(found[0].replace(",", "")) for found in _NUMBER.finditer(text)]
