"""The next move and the phase of a run, as pure functions of what was tried."""

from collections.abc import Sequence

import pytest

from fumehood.planning.moves import Step, drafts_wanted, next_move
from fumehood.planning.phases import phase
from fumehood.records import Iteration, Phase, Verdict
from planning.histories import failed, kept, numbered, weak

pytestmark = pytest.mark.unit

DRAFT = Step("draft")


def after(history: Sequence[Iteration], *under_way: Step, most: int = 20, repairs: int = 3) -> Step:
    return next_move(numbered(history), under_way, max_iterations=most, max_repairs=repairs)


@pytest.mark.parametrize(("most", "wanted"), [(1, 1), (2, 1), (3, 1), (4, 2), (6, 2), (7, 3), (10, 3), (200, 3)])
def test_fewer_iterations_want_fewer_drafts(most: int, wanted: int) -> None:
    assert drafts_wanted(most) == wanted


def test_several_drafts_come_first_and_then_the_best_is_improved() -> None:
    assert after([]) == DRAFT
    assert after([kept()]) == DRAFT
    assert after([kept(), weak()]) == DRAFT
    assert after([kept(), weak(), kept()]) == Step("improve", 3)
    assert after([kept()], most=3) == Step("improve", 1)


def test_as_long_as_nothing_is_kept_drafts_go_on() -> None:
    assert after([weak()] * 8) == DRAFT


def test_a_failed_candidate_is_fixed_at_once() -> None:
    assert after([failed()]) == Step("fix", 1)
    assert after([kept(), weak(), kept(), failed("improve", 3)]) == Step("fix", 4)


def test_a_fix_of_a_fix_counts_and_after_three_research_goes_on() -> None:
    chain = [failed(message="a"), failed("fix", 1, "b"), failed("fix", 2, "c")]
    assert after(chain) == Step("fix", 3)
    assert after([*chain, failed("fix", 3, "d")]) == DRAFT
    assert after(chain, repairs=2) == DRAFT
    assert after([failed()], repairs=0) == DRAFT


def test_a_failure_that_comes_twice_in_a_chain_is_left_alone_whatever_its_numbers() -> None:
    chain = [failed(message="size 3 against 4"), failed("fix", 1, "other"), failed("fix", 2, "size 12 against 7")]
    assert after(chain[:1]) == Step("fix", 1)
    assert after(chain[:2]) == Step("fix", 2)
    assert after(chain) == DRAFT


def test_the_same_failure_in_two_chains_is_fixed_in_both() -> None:
    assert after([failed(message="a"), failed("fix", 1, "a"), failed(message="a")]) == Step("fix", 3)


def test_a_fix_under_way_is_not_proposed_again_and_the_earliest_failure_comes_first() -> None:
    assert after([failed(), failed(message="b")]) == Step("fix", 1)
    assert after([failed(), failed(message="b")], Step("fix", 1)) == Step("fix", 2)
    assert after([failed()], Step("fix", 1)) == DRAFT


def test_what_is_beyond_repair_is_not_fixed() -> None:
    history = numbered([failed(), failed(message="b")])
    found = [next_move(history, (), max_iterations=20, max_repairs=3, beyond_repair=beyond) for beyond in ({1}, {1, 2})]
    assert found == [Step("fix", 2), DRAFT]


def test_drafts_under_way_count_as_begun() -> None:
    assert after([kept()], DRAFT) == DRAFT
    assert after([kept()], DRAFT, DRAFT) == Step("improve", 1)
    assert after([], DRAFT, DRAFT, DRAFT, DRAFT) == DRAFT


def test_now_and_then_something_else_is_tried_when_progress_stalls() -> None:
    start = [kept(), weak(), weak()]
    assert after([*start, weak("improve", 1), weak("improve", 1)]) == Step("improve", 1)
    stalled = [*start, *[weak("improve", 1)] * 3]
    assert after(stalled) == DRAFT
    assert after([*stalled, weak()]) == Step("improve", 1)
    assert after([*start, weak("improve", 1), weak("improve", 1), kept("improve", 1)]) == Step("improve", 6)
    assert after(start, *[Step("improve", 1)] * 3) == DRAFT


def test_a_fix_that_is_kept_is_progress() -> None:
    assert after([kept(), weak(), weak(), failed("improve", 1), kept("fix", 4)]) == Step("improve", 5)


def test_the_phase_follows_what_was_decided() -> None:
    history = [
        (kept(), Phase.ARCHITECTURE),
        (failed(), Phase.EVALUATION),
        (weak("fix", 2), Phase.ARCHITECTURE),
        (weak(), Phase.OPTIMIZATION),
        (failed("improve", 1), Phase.EVALUATION),
        (weak("improve", 1), Phase.OPTIMIZATION),
    ]
    assert phase([], 4) is Phase.PLANNING
    for length in range(1, len(history) + 1):
        assert phase(numbered([one for one, _ in history[:length]]), 7) is history[length - 1][1], length


def test_without_an_incumbent_there_is_nothing_to_optimize() -> None:
    assert phase(numbered([weak()] * 5), 20) is Phase.ARCHITECTURE


def test_progress_from_an_improvement_is_optimization_before_enough_drafts_were_tried() -> None:
    assert phase(numbered([kept(), weak("improve", 1)]), 20) is Phase.ARCHITECTURE
    assert phase(numbered([kept(), kept("improve", 1)]), 20) is Phase.OPTIMIZATION


def test_a_candidate_that_every_seed_of_failed_by_its_score_is_a_failure_too() -> None:
    scored = kept()
    assert scored.score is not None
    hopeless = scored.model_copy(update={"score": scored.score.model_copy(update={"failed_seeds": 3})})
    assert phase([hopeless], 20) is Phase.EVALUATION
    assert hopeless.decision.verdict is Verdict.KEEP
