"""All that the planning model is told: goal, facts of the data, what was tried, what failed, what earlier runs found.

The same history gives the same words: there is no clock in them. Their length grows with the logarithm of the history.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fumehood import text
from fumehood.assembly.language import TrainRoom, facts
from fumehood.llm import prompts
from fumehood.llm.model import Message
from fumehood.planning.language import table
from fumehood.planning.moves import Step
from fumehood.records import Dataset, Goal, Iteration, Phase, Plan
from fumehood.records.insight import Insight, Kind, Recalled

_PACKAGE: Final = "fumehood.planning.language"
_MOST_RECALLED: Final = 6
_RECALLED_CHARS: Final = 350
_CONFIG_CHARS: Final = 3000
_DESIGN_CHARS: Final = 1500


@dataclass(frozen=True)
class View:
    """What stays the same over a run."""

    room: TrainRoom
    max_iterations: int
    sources: Callable[[int], str]
    budget: Callable[[], str]
    """What is left, in words without a clock."""
    tell_names: bool

    def messages(
        self,
        goal: Goal,
        dataset: Dataset,
        history: Sequence[Iteration],
        pending: Sequence[Plan],
        recalled: Sequence[Recalled],
        steps: Sequence[Step],
        phase: Phase,
    ) -> tuple[Message, ...]:
        """For a question that asks for one plan for each of ``steps``."""
        system = prompts.fill(
            _PACKAGE,
            "system.md.j2",
            room=self.room.lines(),
            seeds=self.room.seeds,
            kind=dataset.input_kind.value,
        )
        user = prompts.fill(
            _PACKAGE,
            "task.md.j2",
            goal=goal,
            goal_lines=facts.goal_lines(goal),
            data_lines=facts.data_lines(dataset),
            names=facts.names(dataset) if self.tell_names else "",
            baseline=next((one.score.baseline for one in history if one.score), None),
            tried=len(history),
            planned=self.max_iterations,
            rows=table.rows(goal, history),
            failures=table.failed(history),
            pending=[f"{plan.move}: {plan.family}: {plan.title[:80]}" for plan in pending],
            recalled=_recalled(recalled, tell_names=self.tell_names),
            budget=self.budget(),
            parents=[self._parent(history[number - 1]) for number in _parents(steps)],
            steps=steps,
            phase=phase.value,
        )
        return Message("system", system), Message("user", user)

    def _parent(self, one: Iteration) -> dict[str, Any]:
        """What is to be improved: its layers where it has some, else its source."""
        config = one.plan.model_config_
        shown = json.dumps({"layers": config.get("layers")}) if config is not None else ""
        whole = 0 < len(shown) <= _CONFIG_CHARS
        return {
            "number": one.number,
            "title": one.plan.title[:120],
            "design": one.plan.design[:_DESIGN_CHARS].splitlines(),
            "recipe": json.dumps(one.plan.recipe)[:600],
            "claims": _claims(one),
            "layers": shown if whole else "",
            "source": "" if whole else self.sources(one.number),
        }


def _parents(steps: Sequence[Step]) -> list[int]:
    return list(dict.fromkeys(step.parent for step in steps if step.parent is not None))


def _claims(one: Iteration) -> str:
    """How its training went by its own account, in numbers: whether it learnt too little or by heart."""
    claims = next((seed.train_claims for seed in one.envelope.seeds if seed.train_claims), None)
    if claims is None or not claims.train_loss:
        return ""
    held_out = f", held-out loss {claims.held_out_loss[-1]:.2g} at last" if claims.held_out_loss else ""
    first, last = claims.train_loss[0], claims.train_loss[-1]
    return f"{claims.epochs} epochs, training loss {first:.2g} at first and {last:.2g} at last{held_out}"


def _recalled(recalled: Sequence[Recalled], *, tell_names: bool) -> str:
    """What earlier runs found, best first; its texts are foreign."""
    best = sorted(recalled, key=lambda one: -one.score)
    told = [one.insight for one in best if tell_names or one.insight.kind is not Kind.NOTE][:_MOST_RECALLED]
    return "\n".join(
        f"{insight.kind.value}, from {insight.runs or 'no'} run{'' if insight.runs == 1 else 's'}: "
        f"{' '.join(_words(insight, tell_names=tell_names).split())[:_RECALLED_CHARS]}"
        for insight in told
    )


def _words(insight: Insight, *, tell_names: bool) -> str:
    """Notes are a person's and may name anything, so they are left out before; of others the data set is a name."""
    if tell_names or insight.data is None:
        return insight.text
    return insight.text.replace(text.plain(insight.data.spec, 120), "(a data set)").replace(insight.data.spec, "")
