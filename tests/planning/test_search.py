"""The search planner: deterministic, never repeating itself, within the goal's limits, and led by the scores."""

import json
import os
import subprocess
import sys

import pytest

from fumehood.assembly.template import assemble
from fumehood.assembly.trace import trace
from fumehood.errors import UsageError
from fumehood.planning.knobs import problem_of
from fumehood.planning.protocol import Planner
from fumehood.planning.search import SearchPlanner
from fumehood.planning.space import Space, identity, seconds
from fumehood.planning.study import MOST
from fumehood.records import Dataset, Iteration, Plan
from fumehood.rounding import rounded
from fumehood_shared.messages import InputKind
from planning.histories import (
    ALL,
    DIABETES,
    DIGITS,
    WINE,
    dataset,
    goal,
    iteration,
    noise,
    run,
    score,
    through_json,
)

pytestmark = [pytest.mark.unit, pytest.mark.slow]


def identities(plans: list[Plan]) -> list[str]:
    return [identity(plan.model_config_, plan.recipe) for plan in plans]


# ---- determinism -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["digits", "wine", "diabetes"])
def test_a_planner_rebuilt_on_the_same_history_proposes_the_same_plan(name: str) -> None:
    history = run(SearchPlanner(7), goal(), ALL[name], 25, noise(1, failures=0.2))
    kept = SearchPlanner(7)
    for length in range(len(history)):
        expected = history[length].plan
        assert kept.propose(goal(), ALL[name], history[:length], ()) == expected
        if length % 6 == 0 or length > 20:
            assert SearchPlanner(7).propose(goal(), ALL[name], through_json(history[:length]), ()) == expected


def test_a_planner_that_is_asked_twice_or_about_an_earlier_history_is_not_confused() -> None:
    planner = SearchPlanner(3)
    history = run(SearchPlanner(3), goal(), DIGITS, 14, noise(2))
    for length in (13, 13, 4, 9, 13):
        assert planner.propose(goal(), DIGITS, history[:length], ()) == history[length].plan


def test_one_planner_answers_for_several_data_sets() -> None:
    planner = SearchPlanner(3)
    for data in (DIGITS, WINE, DIGITS, DIABETES):
        assert planner.propose(goal(), data, [], ()) == SearchPlanner(3).propose(goal(), data, [], ())


def test_another_seed_searches_elsewhere_after_the_same_first_proposals() -> None:
    one, other = (run(SearchPlanner(seed), goal(), DIGITS, 12, lambda _p, n: n / 20) for seed in (1, 2))
    assert one[0].plan == other[0].plan
    assert one[-1].plan != other[-1].plan


# ---- no repetition -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["digits", "wine"])
def test_two_hundred_proposals_are_two_hundred_networks(name: str) -> None:
    history = run(SearchPlanner(0), goal(), ALL[name], 200, noise(5, failures=0.1))
    assert len(history) == 200
    assert len(set(identities([i.plan for i in history]))) == 200


def test_what_failed_is_not_tried_again_even_if_everything_fails() -> None:
    history = run(SearchPlanner(0), goal(), WINE, 40, lambda _plan, _number: None)
    assert len(set(identities([i.plan for i in history]))) == 40


def test_a_network_that_another_planner_tried_is_not_proposed() -> None:
    first = SearchPlanner(0).propose(goal(), DIGITS, [], ())
    assert first is not None
    foreign = Plan(**{**first.model_dump(), "params": {"planner": "somebody"}, "title": "Another name"})
    second = SearchPlanner(0).propose(goal(), DIGITS, [iteration(1, foreign, 0.9)], ())
    assert second is not None
    assert identities([second]) != identities([foreign])


def test_a_search_that_draws_nothing_new_says_that_it_is_exhausted() -> None:
    """Two histories that teach the same, of which the second already holds what the first one's search draws."""
    starts = run(SearchPlanner(0), goal(), WINE, 5, noise(1))

    def foreign(plan: Plan) -> Plan:
        return plan.model_copy(update={"params": {"planner": "somebody"}})

    unlike = starts[0].plan.model_copy(update={"recipe": {"epochs": 1}})
    drawn = SearchPlanner(0, max_draws=1).propose(goal(), WINE, [*starts, iteration(6, foreign(unlike), 0.5)], ())
    assert drawn is not None
    tried = [*starts, iteration(6, foreign(drawn), 0.5)]
    assert SearchPlanner(0, max_draws=1).propose(goal(), WINE, tried, ()) is None
    assert SearchPlanner(0).propose(goal(), WINE, tried, ()) is not None


# ---- what is under way -------------------------------------------------------------------------------------------


def under_way(planner: Planner, history: list[Iteration], count: int) -> list[Plan]:
    """Proposals one after the other, with no score in between."""
    pending: list[Plan] = []
    for _ in range(count):
        plan = planner.propose(goal(), DIGITS, history, pending)
        assert plan is not None
        pending.append(plan)
    return pending


@pytest.mark.parametrize("length", [0, 3, 20])
def test_what_is_under_way_is_not_proposed_again(length: int) -> None:
    history = run(SearchPlanner(0), goal(), DIGITS, length, noise(4, failures=0.1))
    plans = under_way(SearchPlanner(0), history, 12)
    assert len(set(identities([*(i.plan for i in history), *plans]))) == length + 12
    assert [plan.params["proposal"] for plan in plans] == list(range(length + 1, length + 13))


def test_what_is_under_way_leads_a_search_elsewhere_until_it_is_known() -> None:
    history = run(SearchPlanner(0), goal(), DIGITS, 30, noise(4))
    first, second = under_way(SearchPlanner(0), history, 2)
    nothing = Plan(family="mlp", title="t", rationale="r", model_config={"layers": []}, recipe={}, params={})
    unaware = SearchPlanner(0).propose(goal(), DIGITS, history, [nothing])
    known = SearchPlanner(0).propose(goal(), DIGITS, [*history, iteration(31, first, 0.99)], ())
    assert unaware is not None
    assert known is not None
    assert len(set(identities([first, second, unaware, known]))) == 4


def test_a_planner_that_was_asked_about_what_is_under_way_remembers_nothing_of_it() -> None:
    history = run(SearchPlanner(0), goal(), DIGITS, 20, noise(4))
    planner = SearchPlanner(0)
    once = under_way(planner, history, 4)
    assert under_way(planner, history, 4) == once
    assert under_way(SearchPlanner(0), through_json(history), 4) == once
    assert planner.propose(goal(), DIGITS, history, ()) == once[0]


# ---- long searches -----------------------------------------------------------------------------------------------


def test_a_long_search_that_was_rebuilt_goes_on_as_one_that_was_kept() -> None:
    history = run(SearchPlanner(0), goal(), WINE, MOST + 40, noise(6, failures=0.1))
    for length in (MOST, MOST + 1, MOST + 39):
        assert SearchPlanner(0).propose(goal(), WINE, history[:length], ()) == history[length].plan


def test_a_long_search_forgets_neither_what_was_best_nor_what_was_tried() -> None:
    """The best family scored well at the beginning only."""
    table = ALL["table"]

    def reward(plan: Plan, number: int) -> float:
        return 0.9 + number / 10_000 if plan.family == "residual_mlp" and number < 40 else 0.5

    history = run(SearchPlanner(0), goal(), table, MOST + 60, reward)
    assert len(set(identities([i.plan for i in history]))) == MOST + 60
    late = history[MOST + 20 :]
    assert sum(i.plan.family == "residual_mlp" for i in late) > len(late) / 2


# ---- limits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "limit"), [("digits", 2_000), ("digits", 20_000), ("wine", 300), ("photos", 9_000)])
def test_no_proposal_has_more_parameters_than_the_goal_allows(name: str, limit: int) -> None:
    history = run(SearchPlanner(0), goal(max_parameters=limit), ALL[name], 60, noise(3))
    assert len(history) == 60
    assert max(trace(i.plan.model_config_).stored for i in history) <= limit


def test_no_proposal_is_expected_to_train_longer_than_the_goal_allows() -> None:
    quick = goal().model_copy(update={"max_train_s": 1.0})
    space = Space(quick, problem_of(DIGITS))
    history = run(SearchPlanner(0), quick, DIGITS, 40, noise(3))
    assert len(history) == 40
    for item in history:
        found = space.candidate(item.plan.family, item.plan.params["settings"])
        assert found is not None
        assert seconds(found, space.problem) <= 1.0
        assert found.recipe == item.plan.recipe


def test_a_limit_that_nothing_can_meet_is_refused_with_what_would_be_needed() -> None:
    with pytest.raises(UsageError) as caught:
        SearchPlanner(0).propose(goal(max_parameters=10), WINE, [], ())
    assert "10 parameters" in caught.value.what
    assert "42" in caught.value.hint


@pytest.mark.parametrize(
    "data",
    [
        dataset((1, 28, 28), 42_000),
        dataset((3, 224, 224), 900, 4),
        dataset((1, 5, 3), 100, 2),
        dataset((2, 1, 1), 100, 2),
        dataset((1, 17, 19), 1000, 7),
        dataset((1, 1, 50), 1000, 7),
        dataset((1,), 30, 2),
        dataset((5_000,), 300, 2),
        dataset((12,), 400_000, 50),
        dataset((4,), 200, 3, kind=InputKind.TABULAR),
        dataset((1,), 40, 2, kind=InputKind.TOKENS, vocab_size=3),
        dataset((4096,), 30_000, 20, kind=InputKind.TOKENS, vocab_size=20_000),
    ],
    ids=lambda data: "x".join(map(str, data.input_shape)),
)
def test_every_proposal_assembles_whatever_the_shape_of_the_data(data: Dataset) -> None:
    history = run(SearchPlanner(0), goal(), data, 30, noise(3))
    assert len(history) == 30
    for item in history:
        assert f"class {item.plan.model_config_['class_name']}(" in assemble(item.plan.model_config_, item.plan.recipe)
        assert trace(item.plan.model_config_).num_outputs == data.num_outputs


def test_few_rows_get_small_networks_and_many_rows_get_few_epochs() -> None:
    small = run(SearchPlanner(0), goal(), dataset((13,), 100), 40, noise(1))
    large = run(SearchPlanner(0), goal(), dataset((13,), 50_000), 40, noise(1))
    assert max(i.plan.params["settings"]["width"] for i in small) <= 64
    assert max(i.plan.params["settings"]["width"] for i in large) > 64
    assert max(i.plan.recipe["epochs"] for i in large) < min(i.plan.recipe["epochs"] for i in small)


# ---- what is proposed --------------------------------------------------------------------------------------------


def test_the_first_proposals_suit_the_inputs_and_do_not_depend_on_chance() -> None:
    assert [i.plan.family for i in run(SearchPlanner(0), goal(), DIGITS, 2, noise(1))] == ["cnn", "residual_cnn"]
    assert run(SearchPlanner(0), goal(), WINE, 1, noise(1))[0].plan.family == "mlp"
    firsts = [SearchPlanner(seed).propose(goal(), DIABETES, [], ()) for seed in range(3)]
    assert firsts[0] == firsts[1] == firsts[2]


def test_every_family_is_tried_among_the_first_proposals() -> None:
    assert {i.plan.family for i in run(SearchPlanner(0), goal(), DIGITS, 8, noise(1))} == {
        "cnn", "residual_cnn", "vit", "mixer", "mlp",
    }  # fmt: skip
    assert {i.plan.family for i in run(SearchPlanner(0), goal(), WINE, 8, noise(1))} == {"mlp", "residual_mlp"}
    texts = {i.plan.family for i in run(SearchPlanner(0), goal(), ALL["reviews"], 6, noise(1))}
    assert texts == {"bag_of_words", "text_cnn", "text_transformer"}


@pytest.mark.parametrize("direction", ["max", "min"])
def test_the_search_moves_towards_what_scores_well(direction: str) -> None:
    """Scores that reward one family and SiLU: late proposals have more of both than chance would give."""

    def reward(plan: Plan, _number: int) -> float:
        points = (plan.family == "residual_mlp") + (plan.params["settings"]["activation"] == "silu")
        return points / 2 if direction == "max" else 1 - points / 2

    asked = goal("max" if direction == "max" else "min")
    late = run(SearchPlanner(0), asked, ALL["table"], 60, reward)[30:]
    best = [i for i in late if i.plan.family == "residual_mlp" and i.plan.params["settings"]["activation"] == "silu"]
    assert len(best) > len(late) / 2


def test_failures_turn_the_search_away_from_a_family() -> None:
    late = run(
        SearchPlanner(0), goal(), DIGITS, 70, lambda plan, n: None if plan.family == "vit" else 0.5 + n % 7 / 100
    )[35:]
    assert sum(i.plan.family == "vit" for i in late) < len(late) / 5


def test_plans_say_in_words_what_is_tried_and_why() -> None:
    history = run(SearchPlanner(0), goal(), DIGITS, 40, noise(9))
    assert history[0].plan.rationale.startswith("First proposal")
    best = max(history[:39], key=lambda i: i.score.primary.mean if i.score else 0)
    assert f"iteration {best.number}" in history[39].plan.rationale
    reasons = " ".join(i.plan.rationale for i in history)
    assert any(word in reasons for word in ("wider", "narrower", "deeper", "shallower"))
    assert all(len(i.plan.title) < 150 and i.plan.title[0].isupper() for i in history)


def test_a_plan_survives_the_journal_unchanged() -> None:
    for item in run(SearchPlanner(0), goal(), DIGITS, 15, noise(1)):
        assert Plan.model_validate_json(item.plan.model_dump_json()) == item.plan
        json.dumps(item.plan.model_dump())


# ---- scores and speed --------------------------------------------------------------------------------------------


def test_scores_closer_than_the_noise_are_told_as_equal() -> None:
    assert rounded(score(0.9801).primary) == rounded(score(0.9799).primary)
    assert rounded(score(0.98).primary) != rounded(score(0.96).primary)
    assert abs(rounded(score(0.9801, 0.02).primary) - 0.9801) <= 0.02 / 4
    assert rounded(score(0.9801, None).primary) == 0.9801
    assert rounded(score(0.9801, 0.0).primary) == 0.9801


def test_differences_below_the_noise_do_not_change_what_is_proposed() -> None:
    coarse = run(SearchPlanner(0), goal(), WINE, 20, lambda _plan, n: 0.5 + (n % 5) / 10)
    wobbled = run(SearchPlanner(0), goal(), WINE, 20, lambda _plan, n: 0.5 + (n % 5) / 10 + 1e-7 * n)
    assert [i.plan.recipe for i in coarse] == [i.plan.recipe for i in wobbled]


def test_optuna_is_not_imported_before_a_planner_is_built() -> None:
    program = (
        "import sys, fumehood.planning.search as s;"
        "assert 'optuna' not in sys.modules and 'torch' not in sys.modules;"
        "s.SearchPlanner(0);"
        "assert 'optuna' in sys.modules and 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_rows_decide_the_size_class() -> None:
    assert [problem_of(dataset((4,), rows)).size for rows in (499, 500, 5_000, 20_000)] == [0, 1, 2, 3]


def test_another_process_proposes_the_same_whatever_its_hash_seed() -> None:
    program = (
        "from planning.histories import DIGITS, goal, noise, run;"
        "from fumehood.planning.search import SearchPlanner;"
        "print([i.plan.model_dump_json() for i in run(SearchPlanner(5), goal(), DIGITS, 25, noise(1, 0.1))])"
    )
    answers = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert answers[0] == answers[1]
