"""Planner and author with the real client, on a server that answers as models do, and then from its transcript."""

import json
from collections.abc import Sequence

import pytest

from assembly.sources import NET, OTHER, fenced
from fakes.llm_server import Refuse, Step, scripted
from fumehood.assembly.language import LanguageAuthor, TrainRoom
from fumehood.goal.language import read
from fumehood.llm.model import LanguageModel
from fumehood.llm.replay import Replay
from fumehood.planning.language import LanguagePlanner
from fumehood.planning.phases import phase
from fumehood.records import Iteration, Plan
from llm.kit import asking
from planning.answers import proposal, words
from planning.histories import DIGITS, failed, goal, kept, numbered, weak

pytestmark = pytest.mark.unit

ROOM = TrainRoom(memory=6 * 2**30, cpus=None, wall_s=1800, device="cpu", seeds=3)
BROKEN = fenced("def build_model(:\n")
STEPS: list[Step] = [
    {"metric": "accuracy", "target": 0.9, "data": "digits"},
    f"Let me think. {{not this}}\n```json\n{json.dumps(proposal())[:-1]},}}\n```\nThat is it.",
    {"action": "propose", "reason": "no design"},
    words(),
    BROKEN,
    Refuse(429, "slow down", {"Retry-After": "1"}),
    fenced(NET, "Here:\n"),
    fenced(OTHER),
    {"proposals": [proposal(width=8), proposal(recipe={"lr": "high"}), words("refine")]},
    {"action": "achieve", "reason": "enough"},
    {"action": "stop", "reason": "enough"},
]
"""A goal; prose, fences and a comma too many; an answer that says nothing; a source that is none; a busy server; a fix;
several at once; a wish."""


def researched(model: LanguageModel) -> list[object]:
    """What comes of questions as a run puts them."""
    planner, author = pair(model, 1)
    came: list[object] = [read("as few mistakes with handwritten numerals as 1 in 10; 0.9", model)]
    history: list[Iteration] = []
    for became in (kept(), failed("draft", None, "mat1")):
        plan = planner.propose(goal(), DIGITS, history, ())
        assert plan is not None
        came += [plan, author.write(plan, goal(), DIGITS, history)]
        history = numbered([*history, became.model_copy(update={"plan": plan})])
    fix = planner.propose(goal(), DIGITS, history, ())
    assert fix is not None
    came += [fix, author.write(fix, goal(), DIGITS, history)]
    history = numbered([*history, weak("fix", 2)])
    planner, _ = pair(model, 3)
    pending: list[Plan] = []
    while len(pending) < 2:
        plan = planner.propose(goal(), DIGITS, history, pending)
        assert plan is not None
        pending.append(plan)
    return [*came, *pending, planner.propose(goal(), DIGITS, history, pending)]


def pair(model: LanguageModel, parallel: int) -> tuple[LanguagePlanner, LanguageAuthor]:
    def now(history: Sequence[Iteration]):
        return phase(history, 20)

    planner = LanguagePlanner(
        model, room=ROOM, max_iterations=20, parallel=parallel, max_repairs=3, sources=lambda _number: NET,
        budget=lambda: "",
    )  # fmt: skip
    return planner, LanguageAuthor(model, room=ROOM, sources=lambda _number: NET, phase=now)


def test_answers_over_http_become_goal_plans_and_sources_and_again_from_the_transcript(tmp_path) -> None:
    with scripted(STEPS) as server:
        it = asking(server, tmp_path)
        came = researched(it.client)
    draft, first, template, second, source, fix, fixed, *several = came
    assert (draft.metric, draft.target, draft.data) == ("accuracy", 0.9, "digits")
    assert (first.title, second.design, fix.move, fix.parent) == ("Width 32", "two branches", "fix", 2)
    assert "class Net" in template
    assert (source, fixed) == (NET, OTHER)
    assert [one and one.title for one in several] == ["Width 8", "t", None]
    assert len(server.requests) == len(STEPS)
    replay = Replay(it.path, lambda _call: None)
    assert researched(replay) == came
    assert replay.differing == 0
