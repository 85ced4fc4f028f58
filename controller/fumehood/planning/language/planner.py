"""Asks a language model what to try next, and makes a plan of its answer.

What is proposed follows from history, what is pending, what was recalled, and the model's answers. Three things are
kept between calls: plans that one question gave in advance, as long as the history stays the same; that the model
wanted to end, as long as nothing else was proposed; and which fixes could not be written. The move is the policy's
(``planning.moves``): the model fills it in. A fix needs no question here, since what failed, and how, is known: its
author gets both.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from fumehood import failures, text
from fumehood.assembly import template
from fumehood.assembly.errors import AssemblyError
from fumehood.assembly.language import TrainRoom
from fumehood.assembly.trace import trace
from fumehood.errors import UnusableAnswerError
from fumehood.llm.model import LanguageModel, Message, Question
from fumehood.planning.language.reply import Proposal, Proposals
from fumehood.planning.language.view import View
from fumehood.planning.moves import Step, next_move
from fumehood.planning.phases import phase
from fumehood.planning.space import identity
from fumehood.records import Dataset, Goal, Iteration, Phase, Plan
from fumehood.records.insight import Recalled

T = TypeVar("T", Proposal, Proposals)

_TOKENS: Final = 4096
"""Of the answer, for each proposal that it is to hold."""
_TITLE: Final = 120
_RATIONALE: Final = 2000
_DESIGN: Final = 8000
_REPEATED: Final = 20_000
"""Characters of an answer that are shown to who gave it."""
_CONFIG_BYTES: Final = 64 * 1024
_FIX_OF: Final = re.compile(r"^(?:Fix of \d+: )+")


class LanguagePlanner:
    """``sources``: the source of an iteration, by its number. ``budget``: what is left, in words that hold no time of
    day and no duration, so that a replay asks the same. ``tell_names``: whether the model may be told what the user's
    data call things. ``max_repairs``: fixes in a chain.
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        room: TrainRoom,
        max_iterations: int,
        parallel: int,
        max_repairs: int,
        sources: Callable[[int], str],
        budget: Callable[[], str],
        tell_names: bool = True,
    ) -> None:
        self._model, self._max_iterations = model, max_iterations
        self._parallel, self._max_repairs = parallel, max_repairs
        self._view = View(room, max_iterations, sources, budget, tell_names)
        self._held: list[Plan] = []
        self._held_for: Sequence[Iteration] = ()
        self._ended_at: int | None = None
        """How many were proposed when the model wanted to end: it is not asked again while what was under way ends."""
        self._fix_at: tuple[int, int | None] | None = None
        """How many were proposed when the last fix was, and of which iteration."""
        self._beyond_repair: set[int] = set()
        self._unpacked = _Unpacked()

    def propose(
        self,
        goal: Goal,
        dataset: Dataset,
        history: Sequence[Iteration],
        pending: Sequence[Plan],
        recalled: Sequence[Recalled] = (),
    ) -> Plan | None:
        """The next plan; None where the model wants to end.

        Raises as ``LanguageModel.ask`` does, and UnusableAnswerError for a proposal that cannot be built even after the
        model was told why.
        """
        if self._held and self._held_for == history:
            return self._held.pop(0)
        self._held, self._held_for = [], history
        if self._ended_at == len(history) + len(pending):
            return None
        tried = self._unpacked.all(history)
        step = self._step(tried, [Step(plan.move, plan.parent) for plan in pending])
        if step.move == "fix" and step.parent is not None:
            return _fix(tried[step.parent - 1])
        steps = [step] if pending else self._first_steps(tried)
        now = phase(tried, self._max_iterations)
        talk = _Talk(self._model, now, self._view.messages(goal, dataset, tried, pending, recalled, steps, now))
        self._held = _asked(talk, _Judge(goal, dataset, [*(one.plan for one in tried), *pending]), steps)
        self._ended_at = None if self._held else len(history) + len(pending)
        return self._held.pop(0) if self._held else None

    def _step(self, history: Sequence[Iteration], under_way: Sequence[Step]) -> Step:
        """The next move; a fix that is due again, with nothing new since, could not be written, and is given up."""
        step, count = self._next(history, under_way), len(history) + len(under_way)
        if step.move == "fix" and step.parent is not None and self._fix_at == (count, step.parent):
            self._beyond_repair.add(step.parent)
            step = self._next(history, under_way)
        self._fix_at = (count, step.parent) if step.move == "fix" else None
        return step

    def _next(self, history: Sequence[Iteration], under_way: Sequence[Step]) -> Step:
        return next_move(
            history,
            under_way,
            max_iterations=self._max_iterations,
            max_repairs=self._max_repairs,
            beyond_repair=self._beyond_repair,
        )

    def _first_steps(self, history: Sequence[Iteration]) -> list[Step]:
        """As many as may be under way at once. Only the first can be a fix, and it is none."""
        steps: list[Step] = []
        for _ in range(max(1, min(self._parallel, self._max_iterations - len(history)))):
            steps.append(self._next(history, steps))
        return steps


class _Unpacked:
    """The iterations of a history, each unpacked once: a long one would take longer than everything else here."""

    def __init__(self) -> None:
        self._known: list[Iteration] = []
        self._history: Sequence[Iteration] = ()

    def all(self, history: Sequence[Iteration]) -> Sequence[Iteration]:
        if self._known and history[: len(self._known)] != self._history:
            self._known = []
        self._known += history[len(self._known) :]
        self._history = history[:]
        return self._known


class _Talk:
    """A question and what followed from it."""

    def __init__(self, model: LanguageModel, of: Phase, messages: tuple[Message, ...]) -> None:
        self._model, self._phase, self._messages = model, of, messages

    def ask(self, reply: type[T], count: int = 1) -> T:
        answer = self._model.ask(Question("plan", self._phase, self._messages, reply, _TOKENS * count))
        said = text.clip(json.dumps(answer.model_dump(exclude_defaults=True)), _REPEATED)
        self._messages = (*self._messages, Message("assistant", said))
        return answer

    def tell(self, why: str) -> None:
        self._messages = (*self._messages, Message("user", why))


class _Judge:
    """What can be said of a proposal before anything is built."""

    def __init__(self, goal: Goal, dataset: Dataset, earlier: Sequence[Plan]) -> None:
        self._goal, self._dataset = goal, dataset
        with_layers = [(number, plan) for number, plan in enumerate(earlier, start=1) if plan.model_config_ is not None]
        self._earlier = {identity(plan.model_config_, plan.recipe): number for number, plan in with_layers}

    def objection(self, proposal: Proposal) -> str:
        """Why it cannot be tried as it is, for whoever proposed it; empty where it can."""
        try:
            template.checked_recipe(proposal.recipe)
            return "" if proposal.model_config_ is None else self._objection(proposal)
        except AssemblyError as error:
            return f"{error.what} {error.hint}".strip()

    def _objection(self, proposal: Proposal) -> str:
        config = self.config(proposal)
        if not _is_plain_json(config):
            return f"model_config is not plain JSON of at most {_CONFIG_BYTES:,} bytes."
        template.assemble(config, proposal.recipe)
        stored, most = trace(config).stored, self._goal.max_parameters
        if most is not None and stored > most:
            return f"The network has {stored:,} parameters, buffers included, and the goal allows {most:,}."
        same = self._earlier.get(identity(config, proposal.recipe))
        return "" if same is None else f"Proposal {same} of this run is the same network with the same recipe."

    def config(self, proposal: Proposal) -> dict[str, Any]:
        """The proposal's configuration with what the data say; what it says of them itself does not count."""
        known = {k: v for k, v in (proposal.model_config_ or {}).items() if k != "architecture"}
        sizes = {"input_shape": list(self._dataset.input_shape), "num_outputs": self._dataset.num_outputs}
        return {"class_name": "Candidate", **known, **sizes}

    def not_yet(self) -> str:
        """The answer to a wish."""
        target = self._goal.target
        why = (
            "the goal has no target, so it is not met by any score"
            if target is None
            else f"the confidence interval of the incumbent's validation score has not reached {target:g}"
        )
        return (
            f"That is not for you to say, and the statistics do not say it: {why}. Where it had, the run would have "
            "ended by itself. Answer again: propose or refine, or stop if nothing more is worth trying."
        )


def _one(talk: _Talk, judge: _Judge, step: Step, proposal: Proposal) -> Plan | None:
    """What becomes of a proposal, after a word about a wish and one about what cannot be built; None at its end."""
    if proposal.action == "achieve":
        talk.tell(judge.not_yet())
        proposal = talk.ask(Proposal)
    if not proposal.ends and (why := judge.objection(proposal)):
        talk.tell(f"This cannot be built: {text.block(why, 1500)}\nAnswer again, corrected.")
        proposal = talk.ask(Proposal)
        if not proposal.ends and (why := judge.objection(proposal)):
            raise UnusableAnswerError(
                f"the language model proposed twice what cannot be built: {text.plain(why, 300)}",
                "logs/llm.jsonl has its words; a larger model may do better",
            )
    return None if proposal.ends else _plan(proposal, judge, step)


def _asked(talk: _Talk, judge: _Judge, steps: Sequence[Step]) -> list[Plan]:
    """A plan for each step, as far as what came can be built and differs; none where the model wants to end."""
    if len(steps) > 1:
        return _several(talk, judge, steps)
    found = _one(talk, judge, steps[0], talk.ask(Proposal))
    return [] if found is None else [found]


def _several(talk: _Talk, judge: _Judge, steps: Sequence[Step]) -> list[Plan]:
    """Where nothing of what came can be built, one is asked for after all."""
    answer = talk.ask(Proposals, len(steps))
    plans: list[Plan] = []
    for proposal, step in zip(answer.proposals, steps, strict=False):
        if proposal.ends or judge.objection(proposal):
            continue
        plan = _plan(proposal, judge, step)
        if not any(_is_same(plan, other) for other in plans):
            plans.append(plan)
    if plans:
        return plans
    first = next((one for one in answer.proposals if not one.ends), answer.proposals[0])
    found = _one(talk, judge, steps[0], first)
    return [] if found is None else [found]


def _is_same(plan: Plan, other: Plan) -> bool:
    return (plan.model_config_, plan.design, plan.recipe) == (other.model_config_, other.design, other.recipe)


def _plan(proposal: Proposal, judge: _Judge, step: Step) -> Plan:
    has_layers = proposal.model_config_ is not None
    return Plan(
        family=_family(proposal.family),
        title=text.plain(proposal.title or proposal.reason, _TITLE) or "Untitled",
        rationale=text.block(proposal.reason, _RATIONALE),
        model_config_=judge.config(proposal) if has_layers else None,
        design="" if has_layers else text.block(proposal.design, _DESIGN),
        recipe={k: list(v) if isinstance(v, tuple) else v for k, v in template.checked_recipe(proposal.recipe).items()},
        params={"planner": "llm", "action": proposal.action},
        move=step.move,
        parent=step.parent,
    )


def _fix(broken: Iteration) -> Plan:
    told = failures.told(broken.envelope)
    title = _FIX_OF.sub("", broken.plan.title)
    return Plan(
        family=broken.plan.family,
        title=text.plain(f"Fix of {broken.number}: {title}", _TITLE),
        rationale=f"Iteration {broken.number} failed ({told.kind if told else 'unknown'}), so its source goes back "
        "with what it failed with.",
        design=broken.plan.design or f"What iteration {broken.number} was meant to be: {title}",
        recipe=broken.plan.recipe,
        params={"planner": "llm", "action": "fix"},
        move="fix",
        parent=broken.number,
    )


def _family(name: str) -> str:
    """A word for tables, such as residual_cnn."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40] or "other"


def _is_plain_json(config: dict[str, Any]) -> bool:
    """Whether it can be written into a journal and read back as it is."""
    try:
        return len(json.dumps(config, allow_nan=False, ensure_ascii=False).encode()) <= _CONFIG_BYTES
    except (ValueError, RecursionError):
        return False
