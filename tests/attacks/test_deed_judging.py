"""What makes a row fail beside its own judge: something is left, the controller grew, the room would not go away."""

from dataclasses import replace
from typing import Any

import pytest

from fumehood.attacks import deeds, exhaust, forge, words
from fumehood.attacks.attack import Deed, Group
from fumehood.attacks.deeds import Aftermath
from fumehood.attacks.forge import Cheat, Trial
from fumehood.records import RoomFacts, SeedResult
from fumehood_shared.messages import Failure, FailureKind

pytestmark = [pytest.mark.attacks, pytest.mark.unit]

FACTS = RoomFacts(role="train", wall_s=2.6, ready_s=1.0, cpu_s=1.0)
WELL = Aftermath(
    failure=None, others=(), facts=FACTS, deadline_s=2.5, said="", tasks=5, is_gvisor=False, grown_bytes=0,
    removal_s=0.1, left=(),
)  # fmt: skip
ANY = Deed("any", Group.EXHAUST, "anything", judge=lambda after: (after.told, True))


def ended(kind: FailureKind, message: str = "") -> Failure:
    return Failure(kind=kind, message=message)


def test_a_deed_that_is_judged_well_passes() -> None:
    assert deeds.judged(ANY, WELL).passed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"left": ("process 7",)}, "process 7"),
        ({"grown_bytes": 65 * 2**20}, "grew by 65 MiB"),
        ({"removal_s": 30.0}, "30 s"),
    ],
    ids=["left", "grown", "slow"],
)
def test_what_no_deed_may_do_fails_any_row(change: dict[str, Any], words: str) -> None:
    finding = deeds.judged(ANY, replace(WELL, **change))
    assert not finding.passed
    assert words in finding.seen


@pytest.mark.parametrize("deed", exhaust.DEEDS, ids=lambda deed: deed.name)
def test_a_deed_of_exhaustion_that_did_nothing_does_not_pass(deed: Deed) -> None:
    """Accepted, at once, having used all that it wanted: what would be seen where no wall stands."""
    free = replace(WELL, tasks=400, others=(None,), facts=FACTS.model_copy(update={"cpu_s": 7.0}))
    assert not deeds.judged(deed, free).passed


@pytest.mark.parametrize("cheat", forge.CHEATS, ids=lambda cheat: cheat.name)
def test_a_cheat_without_a_score_or_a_reason_does_not_pass(cheat: Cheat) -> None:
    lost = SeedResult(seed=0, failure=ended(FailureKind.OOM))
    trial = Trial(seeds=(lost,) * cheat.seeds, score=None, honest=0.9, told=1.0, said="found 1", rooms=(FACTS,))
    assert not cheat.judge(trial)[1]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("terminal", "a\x1b[2Jb", "a control character"),
        ("log", "a\u202eb", "a control character"),
        ("report.html", "<p><script>x</script>", "<script"),
        ("report.md", "see [x](javascript:alert(1))", "](javascript:"),
        ("cells.csv", "ok\n=1+1", "="),
    ],
)
def test_words_that_would_be_obeyed_are_noticed(name: str, content: str, problem: str) -> None:
    assert list(words.problems(name, content)) == [problem]


def test_words_in_a_fence_or_behind_a_backslash_are_harmless() -> None:
    assert list(words.problems("report.md", "\\<script\n```text\n<script>\n```\n")) == []
