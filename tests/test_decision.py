"""Keep, discard, stop: what the rule does with scores, limits and targets."""

from itertools import product

import pytest

from fumehood.decision import confidence_bound, decide, finalists, goal_achieved, noise_floor, winner
from fumehood.records import (
    Decision,
    Envelope,
    Goal,
    Interval,
    Iteration,
    MetricSummary,
    Plan,
    Remeasured,
    RoomFacts,
    Score,
    SeedResult,
    StopReason,
    Verdict,
)
from fumehood.scoring.noise import SeedSpread

pytestmark = pytest.mark.unit


def a_goal(metric="accuracy", direction="max", target=None, limit=None):
    return Goal(text="g", metric=metric, direction=direction, target=target, max_parameters=limit)


def a_score(mean, std=0.01, half=0.02, n=3, metric="accuracy", direction="max", failed=0):
    interval = None if half is None else Interval(low=mean - half, high=mean + half, level=0.95, method="m")
    summary = MetricSummary(
        name=metric, direction=direction, mean=mean, std=std, min=mean, max=mean, values=(mean,) * n, interval=interval
    )
    return Score(
        split="validation", metric=metric, metrics={metric: summary}, n_seeds=n, failed_seeds=failed, n_examples=100,
        baseline=0.1,
    )  # fmt: skip


def an_envelope(parameters=1000, n=3, planned=None):
    seeds = tuple(SeedResult(seed=k, predictions_digest="0" * 64, parameters=parameters) for k in range(n))
    return Envelope(source_digest="0" * 64, seeds=seeds, rooms=(), planned=planned)


def judged(score, incumbent=None, goal=None, parameters=1000, n=3, planned=None, **changes):
    settings = {"comparison": None, "spread": None, "iteration": 1, "max_iterations": 10, "budget_left": True} | changes
    return decide(score, incumbent, goal or a_goal(), envelope=an_envelope(parameters, n, planned), **settings)


def iterations(*scores, **changes):
    plan = Plan(family="mlp", title="t", rationale="r", model_config={}, recipe={})
    decision = Decision(verdict=Verdict.KEEP, reason="r")
    return tuple(
        Iteration(
            number=number,
            plan=plan,
            source_digest="0" * 64,
            envelope=an_envelope(**changes.get(f"of_{number}", {})),
            score=score,
            decision=decision,
        )
        for number, score in enumerate(scores, start=1)
    )


def test_a_first_candidate_that_survived_is_kept_with_its_numbers():
    decision = judged(a_score(0.9))
    assert decision.verdict is Verdict.KEEP
    assert decision.stop is None
    assert "0.9" in decision.reason
    assert "baseline 0.1" in decision.reason


@pytest.mark.parametrize("score", [None, a_score(0.1, failed=3)])
@pytest.mark.parametrize("incumbent", [None, a_score(0.5)])
def test_a_candidate_whose_seeds_all_failed_is_discarded(score, incumbent):
    decision = judged(score, incumbent)
    assert decision.verdict is Verdict.DISCARD
    assert "failed" in decision.reason


@pytest.mark.parametrize(
    ("new", "old", "verdict"),
    [
        (0.95, 0.90, Verdict.KEEP),
        (0.905, 0.90, Verdict.DISCARD),
        (0.90, 0.90, Verdict.DISCARD),
        (0.85, 0.90, Verdict.DISCARD),
    ],
)
def test_better_by_more_than_the_noise_floor_is_kept(new, old, verdict):
    assert judged(a_score(new), a_score(old)).verdict is verdict


@pytest.mark.parametrize(
    ("new", "old", "verdict"), [(50, 60, Verdict.KEEP), (59.995, 60, Verdict.DISCARD), (70, 60, Verdict.DISCARD)]
)
def test_less_is_better_where_the_metric_says_so(new, old, verdict):
    scores = [a_score(m, metric="rmse", direction="min") for m in (new, old)]
    assert judged(*scores, a_goal("rmse", "min")).verdict is verdict


def test_the_noise_floor_is_one_standard_error_of_the_difference():
    a, b = a_score(0.9, std=0.03, n=9).primary, a_score(0.8, std=0.04, n=16).primary
    assert noise_floor(a, b) == pytest.approx((0.01**2 + 0.01**2) ** 0.5)


def test_one_seed_is_judged_by_its_interval_over_examples():
    one = a_score(0.9, std=None, half=0.0196, n=1).primary
    assert noise_floor(one, one) == pytest.approx(0.01 * 2**0.5, rel=1e-4)
    assert judged(a_score(0.91, None, 0.0196, 1), a_score(0.9, None, 0.0196, 1)).verdict is Verdict.DISCARD
    assert judged(a_score(0.92, None, 0.0196, 1), a_score(0.9, None, 0.0196, 1)).verdict is Verdict.KEEP


def test_seeds_that_do_not_differ_are_not_taken_for_certainty():
    assert judged(a_score(0.905, std=0.0), a_score(0.9, std=0.0)).verdict is Verdict.DISCARD


def test_without_any_measure_of_noise_the_better_mean_is_kept_and_the_reason_says_so():
    decision = judged(a_score(0.905, std=None, half=None), a_score(0.9, std=None, half=None))
    assert decision.verdict is Verdict.KEEP
    assert "nothing tells" in decision.reason


@pytest.mark.parametrize(
    ("parameters", "verdict"), [(1000, Verdict.KEEP), (1001, Verdict.DISCARD), (None, Verdict.DISCARD)]
)
def test_a_limit_on_parameters_is_kept_to_and_an_unknown_number_breaks_it(parameters, verdict):
    assert judged(a_score(0.9), goal=a_goal(limit=1000), parameters=parameters).verdict is verdict


def test_an_unknown_number_of_parameters_does_not_matter_without_a_limit():
    assert judged(a_score(0.9), parameters=None).verdict is Verdict.KEEP


@pytest.mark.parametrize(("target", "stop"), [(0.88, StopReason.GOAL_MET), (0.881, None), (None, None)])
def test_the_search_stops_when_the_kept_candidates_lower_bound_reaches_the_target(target, stop):
    assert judged(a_score(0.9), goal=a_goal(target=target)).stop is stop


@pytest.mark.parametrize(("target", "stop"), [(52, StopReason.GOAL_MET), (51.9, None)])
def test_where_less_is_better_the_upper_bound_must_reach_the_target(target, stop):
    score = a_score(50, half=2, metric="rmse", direction="min")
    assert judged(score, goal=a_goal("rmse", "min", target)).stop is stop


def test_a_discarded_candidate_does_not_meet_the_goal_however_good_it_is():
    too_big = judged(a_score(0.99), a_score(0.5), a_goal(target=0.9, limit=10), parameters=11)
    assert (too_big.verdict, too_big.stop) == (Verdict.DISCARD, None)


def test_an_incumbent_that_meets_the_goal_stops_the_search_after_a_failure():
    assert judged(None, a_score(0.95), a_goal(target=0.9)).stop is StopReason.GOAL_MET


@pytest.mark.parametrize(
    ("met", "last", "left", "stop"),
    [
        (m, i, b, StopReason.GOAL_MET if m else StopReason.ITERATIONS if i else None if b else StopReason.BUDGET)
        for m, i, b in product([True, False], repeat=3)
    ],
)
def test_reasons_to_stop_have_an_order(met, last, left, stop):
    goal = a_goal(target=0.5 if met else 0.99)
    assert judged(a_score(0.9), goal=goal, iteration=10 if last else 9, budget_left=left).stop is stop


@pytest.mark.parametrize(("target", "achieved"), [(0.88, True), (0.89, False), (None, None)])
def test_a_goal_is_achieved_by_the_bound_and_not_by_the_mean(target, achieved):
    assert goal_achieved(a_score(0.9), a_goal(target=target)) is achieved


def test_without_an_interval_no_target_counts_as_achieved():
    assert confidence_bound(a_score(0.9, half=None).primary) is None
    assert goal_achieved(a_score(0.9, half=None), a_goal(target=0.5)) is False


def test_finalists_are_the_incumbent_and_those_that_the_noise_may_have_put_behind_it():
    tried = iterations(a_score(0.9), a_score(0.905), a_score(0.85), a_score(0.899), None, a_score(0.903))
    assert finalists(tried, 1, a_goal(), 3) == (1, 2, 6)
    assert finalists(tried, 1, a_goal(), 9) == (1, 2, 6, 4)
    assert finalists(tried, 1, a_goal(), 1) == (1,)
    assert finalists(tried, None, a_goal(), 3) == ()


def test_where_less_is_better_finalists_are_those_with_less():
    errors = [a_score(mean, metric="rmse", direction="min") for mean in (0.2, 0.205, 0.5)]
    assert finalists(iterations(*errors), 1, a_goal("rmse", "min"), 3) == (1, 2)


def test_who_is_too_large_failed_or_was_given_up_is_no_finalist():
    same = a_score(0.9)
    tried = iterations(
        same, same, a_score(0.9, failed=3), same, of_2={"parameters": 10**6}, of_4={"n": 1, "planned": 3}
    )
    assert finalists(tried, 1, a_goal(limit=5000), 9) == (1,)


def fresh(number, score, parameters=1000):
    return Remeasured(iteration=number, envelope=an_envelope(parameters), score=score)


def test_the_winner_has_the_best_mean_over_its_old_and_its_fresh_seeds():
    tried = iterations(a_score(0.90), a_score(0.89), a_score(0.89))
    assert winner(tried, [fresh(1, a_score(0.88)), fresh(2, a_score(0.92)), fresh(3, a_score(0.91))], a_goal()) == 2
    assert winner(tried, [fresh(1, a_score(0.90)), fresh(2, a_score(0.90))], a_goal()) == 1
    assert winner(tried, [fresh(1, a_score(0.91)), fresh(2, a_score(0.92))], a_goal()) == 1, "the first of equals"


def test_a_finalist_that_fails_or_is_too_large_on_fresh_seeds_cannot_win():
    tried = iterations(a_score(0.90), a_score(0.89), a_score(0.88))
    again = [fresh(1, None), fresh(2, a_score(0.99, failed=3)), fresh(3, a_score(0.99), parameters=10**6)]
    assert winner(tried, again, a_goal(limit=5000)) is None
    assert winner(tried, again, a_goal()) == 3


def test_a_candidate_that_was_given_up_is_discarded_and_the_reason_says_after_how_many_seeds():
    decision = judged(a_score(0.99, n=1), a_score(0.9), n=1, planned=3)
    assert decision.verdict is Verdict.DISCARD
    assert decision.reason.startswith("Given up after 1 of 3 seeds. ")


def test_seeds_that_are_alike_count_as_one_with_the_spread_of_those_kept_before():
    steady, incumbent = a_score(0.92, std=0.0), a_score(0.9, std=0.005)
    assert judged(steady, incumbent).verdict is Verdict.KEEP, "half a width of 0.02 is a standard error of 0.0102"
    assert judged(steady, incumbent, spread=SeedSpread(std=0.03, df=4)).verdict is Verdict.DISCARD
    barely = a_score(0.906, std=0.0)
    assert judged(barely, incumbent).verdict is Verdict.DISCARD
    assert judged(barely, incumbent, spread=SeedSpread(std=0.004, df=4)).verdict is Verdict.KEEP


def rooms_of(*train, predict=1.0):
    facts = [RoomFacts(role="train", wall_s=seconds, ready_s=1.0) for seconds in train]
    return (*facts, RoomFacts(role="predict", wall_s=predict, ready_s=1.0))


def quick_goal(seconds):
    return Goal(text="g", metric="accuracy", direction="max", max_train_s=seconds)


@pytest.mark.parametrize(
    ("train", "verdict"), [((59.0,), Verdict.KEEP), ((61.0,), Verdict.DISCARD), ((20.0, 61.0), Verdict.DISCARD)]
)
def test_a_limit_on_training_time_is_judged_by_the_wall_time_of_the_train_rooms(train, verdict):
    envelope = an_envelope().model_copy(update={"rooms": rooms_of(*train, predict=500.0)})
    decision = decide(
        a_score(0.9), None, quick_goal(60.0), envelope=envelope, comparison=None, spread=None, iteration=1,
        max_iterations=10, budget_left=True,
    )  # fmt: skip
    assert decision.verdict is verdict
    assert ("61.0 s" in decision.reason) == (verdict is Verdict.DISCARD)


def test_a_training_time_that_nobody_measured_is_not_within_a_limit():
    assert judged(a_score(0.9), goal=quick_goal(60.0)).verdict is Verdict.DISCARD
    assert judged(a_score(0.9)).verdict is Verdict.KEEP


def test_a_candidate_that_trains_too_long_is_no_finalist_and_no_winner():
    slow, quick = (an_envelope().model_copy(update={"rooms": rooms_of(s)}) for s in (90.0, 30.0))
    found = iterations(a_score(0.9), a_score(0.899))
    found = tuple(one.model_copy(update={"envelope": e}) for one, e in zip(found, (quick, slow), strict=True))
    assert finalists(found, 1, quick_goal(60.0), 3) == (1,)
    assert finalists(found, 1, a_goal(), 3) == (1, 2)
    again = [
        Remeasured(iteration=1, envelope=slow, score=a_score(0.9)),
        Remeasured(iteration=2, envelope=quick, score=a_score(0.8)),
    ]
    assert winner(found, again, quick_goal(60.0)) == 2
    assert winner(found, again, a_goal()) == 1
