"""What a run's history shows: how it got better, what it cost, and what it suggests to do next."""

import pytest

from fumehood.records import Phase, SealedBaseline
from fumehood.report import advice, improvements, spending
from fumehood_shared.messages import FailureKind
from report import factories

pytestmark = pytest.mark.unit


def test_every_kept_candidate_is_an_improvement_over_the_one_before():
    first, second, third = improvements.improvements(factories.good_run())
    assert (first.number, first.gain) == (1, None)
    assert second.gain == pytest.approx(0.052)
    assert (third.number, third.gain) == (4, pytest.approx(0.069))


def test_where_less_is_better_a_fall_is_a_gain():
    gains = [one.gain for one in improvements.improvements(factories.regression_run())]
    assert gains == [None, pytest.approx(3.5), pytest.approx(3.7)]


def test_an_improvement_is_claimed_only_where_the_corrected_comparison_holds():
    run = factories.good_run()
    history = list(run.iterations)
    for number, adjusted in ((2, 0.2), (4, 0.01)):
        one = history[number - 1]
        compared = factories.comparison(0.05, 0.001, adjusted)
        history[number - 1] = one.model_copy(
            update={"decision": one.decision.model_copy(update={"comparison": compared})}
        )
    found = improvements.improvements(run.model_copy(update={"iterations": tuple(history)}))
    assert [one.claimed for one in found] == [False, False, True]


def test_spending_is_told_by_phase_and_an_unknown_price_makes_the_sum_unknown():
    planning, architecture, everything = spending.rows(factories.asking_run())
    assert (planning.phase, planning.calls, planning.cost_usd) == (Phase.PLANNING.value, 2, pytest.approx(0.026))
    assert (architecture.failed, architecture.cost_usd) == (1, None)
    assert (everything.phase, everything.calls, everything.prompt_tokens, everything.cost_usd) == ("all", 4, 6400, None)
    assert spending.rows(factories.good_run()) == ()


def test_a_target_inside_the_interval_asks_for_what_the_doubt_comes_from():
    run = factories.missed_run()
    assert any("contains the target" in one for one in advice.advice(run))
    found = run.final.score.primary
    wide = found.model_copy(update={"std": 0.5})
    score = run.final.score.model_copy(update={"metrics": {**run.final.score.metrics, found.name: wide}})
    restless = run.model_copy(update={"final": run.final.model_copy(update={"score": score})})
    assert any("seeds differ" in one for one in advice.advice(restless))
    steady = found.model_copy(update={"std": 1e-6})
    score = run.final.score.model_copy(update={"metrics": {**run.final.score.metrics, found.name: steady}})
    assert any("more data settle it" in one for one in advice.advice(run.model_copy(
        update={"final": run.final.model_copy(update={"score": score})}
    )))  # fmt: skip


def test_a_worn_test_set_is_told():
    assert any("looked at 3 times" in one for one in advice.advice(factories.missed_run()))
    assert not any("looked at" in one for one in advice.advice(factories.good_run()))


def test_a_better_baseline_is_recommended_by_name():
    run = factories.good_run()
    better = SealedBaseline(
        name="forest", label="a random forest", score=run.final.score, comparison=factories.comparison(-0.02, 0.9, 1.0)
    )
    found = better.comparison.interval
    below = better.comparison.model_copy(update={"interval": found.model_copy(update={"low": -0.03, "high": -0.01})})
    run = run.model_copy(update={"baseline_final": better.model_copy(update={"comparison": below})})
    assert any(one.startswith("Use a random forest instead") for one in advice.advice(run))


def test_failures_of_limits_say_which_limit():
    history = [factories.failed_iteration(n, FailureKind.TIMEOUT, "The deadline passed.") for n in (1, 2, 3)]
    run = factories.failing_run().model_copy(update={"iterations": tuple(history)})
    assert any("3 of 3 candidates failed with timeout" in one and "--timeout" in one for one in advice.advice(run))


def test_a_search_that_goes_nowhere_is_told_from_one_that_still_climbs():
    run = factories.long_run(60)
    since = len(run.iterations) - run.incumbent
    assert since >= 5, "the factory's run levels off"
    assert any(f"The last {since} candidates" in one for one in advice.advice(run))
    climbing = run.model_copy(update={"iterations": run.iterations[: run.incumbent]})
    assert any("more iterations may find better ones" in one for one in advice.advice(climbing))


@pytest.mark.parametrize("make", [factories.empty_run, factories.unfinished_run])
def test_a_run_that_is_not_over_gets_no_advice(make):
    assert advice.advice(make()) == ()
