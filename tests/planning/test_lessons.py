"""What the search makes of what earlier runs found out, and of failures of its own."""

import random
from typing import Any

import pytest

from fumehood.planning import lessons
from fumehood.planning.knobs import problem_of
from fumehood.planning.search import SearchPlanner
from fumehood.planning.space import Space
from fumehood.records import Iteration, Phase, Plan, SeedResult
from fumehood.records.insight import DataFingerprint, Insight, Kind, Recalled
from fumehood_shared.messages import Failure, FailureKind
from planning.histories import DIGITS, TABLE, WINE, goal, iteration

pytestmark = pytest.mark.unit

WIDE = {"width": 256, "depth": 3, "norm": "none", "lr": 0.003, "dropout": 0.0, "optimizer": "adamw", "epochs": 60}


def recalled(kind: Kind, **details: Any) -> Recalled:
    known = Insight(
        id=f"{random.Random(str(details)).getrandbits(128):032x}",
        kind=kind,
        text="A wide network did well.",
        importance=0.8,
        created_at="2026-11-23T03:15:00+00:00",
        phase=Phase.OPTIMIZATION,
        details=details,
    )
    return Recalled(insight=known, score=0.9, reason="the data are alike")


def proposals(count: int, recalled_now=(), data=TABLE, failing=lambda plan: None) -> list[Iteration]:
    planner, history = SearchPlanner(seed=0), []
    for number in range(1, count + 1):
        plan = planner.propose(goal(), data, history, (), recalled_now)
        kind = failing(plan)
        history.append(failed(number, plan, kind) if kind else iteration(number, plan, 0.5))
    return history


def failed(number: int, plan: Plan, kind: FailureKind) -> Iteration:
    seeds = (SeedResult(seed=0, failure=Failure(kind=kind, message="as the test says")),)
    one = iteration(number, plan, None)
    return one.model_copy(update={"envelope": one.envelope.model_copy(update={"seeds": seeds})})


def test_what_did_well_on_similar_data_is_proposed_first_and_built_in_starts_take_turns_with_it():
    plain = [one.plan for one in proposals(2)]
    taught = [one.plan for one in proposals(3, [recalled(Kind.RESULT, family="mlp", settings=WIDE)])]
    assert {name: taught[0].params["settings"][name] for name in WIDE} == WIDE
    assert "did well before" in taught[0].rationale
    assert [one.params["settings"] for one in taught[1:]] == [one.params["settings"] for one in plain]


def test_settings_of_another_space_come_to_the_next_point_of_this_one():
    (first,) = proposals(1, [recalled(Kind.PATTERN, family="mlp", settings={**WIDE, "width": 5000})], data=WINE)
    assert first.plan.params["settings"]["width"] == max(
        next(knob for knob in Space(goal(), problem_of(WINE)).knobs("mlp") if knob.name == "width").values
    )


@pytest.mark.parametrize(("kind", "task"), [("image", "classification"), ("tabular", "regression")])
def test_what_did_well_on_another_kind_of_data_is_no_start(kind, task):
    one = recalled(Kind.RESULT, family="mlp", settings=WIDE)
    other = DataFingerprint(
        spec="a", task=task, input_kind=kind, input_shape=(40,), num_outputs=2, rows=900, source_digest="0"
    )
    foreign = one.model_copy(update={"insight": one.insight.model_copy(update={"data": other})})
    assert proposals(2, [foreign]) == proposals(2)
    alike = other.model_copy(update={"input_kind": "tabular", "task": "classification"})
    near = one.model_copy(update={"insight": one.insight.model_copy(update={"data": alike})})
    assert proposals(1, [near]) != proposals(1)


def test_at_most_three_of_those_recalled_are_tried():
    many = [recalled(Kind.RESULT, family="mlp", settings={**WIDE, "width": width}) for width in (32, 64, 128, 256, 512)]
    widths = [one.plan.params["settings"]["width"] for one in proposals(6, many)]
    assert widths[0:6:2] == [32, 64, 128]


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"family": "vit", "settings": WIDE},
        {"family": "mlp", "settings": "wide"},
        {"family": ["mlp"], "settings": WIDE},
        {"family": "mlp", "settings": {"width": "; import os", "depth": None, "lr": [1], 3: 4}},
        {"failure_kind": "timeout", "family": "mlp", "settings": None, "cost": {"seconds": "x"}},
        {"failure_kind": {}, "family": None, "cost": 3},
    ],
)
@pytest.mark.parametrize("kind", list(Kind))
def test_whatever_a_database_says_the_search_goes_on(kind, details):
    for one in proposals(3, [recalled(kind, **details)]):
        assert Space(goal(), problem_of(TABLE)).holds(one.plan.family, one.plan.params["settings"])


def test_a_demoted_insight_teaches_nothing():
    one = recalled(Kind.RESULT, family="mlp", settings=WIDE)
    demoted = one.model_copy(update={"insight": one.insight.model_copy(update={"demoted_by": "0" * 32})})
    assert proposals(2, [demoted]) == proposals(2)


def costly(plan: Plan) -> FailureKind | None:
    return FailureKind.TIMEOUT if plan.params["cost"]["seconds"] > 2 else None


def test_what_ran_out_of_time_elsewhere_is_not_tried_here():
    before = proposals(30, failing=costly)
    ran_out = [one for one in before if one.envelope.failure]
    assert ran_out, "without a warning the search runs into the limit"
    cheapest = min((one.plan for one in ran_out), key=lambda plan: plan.params["cost"]["seconds"])
    warning = recalled(Kind.FAILURE, failure_kind="timeout", family="mlp", settings={}, cost=cheapest.params["cost"])
    after = proposals(30, [warning], failing=costly)
    assert not any(one.envelope.failure for one in after)


def test_a_run_learns_from_its_own_failures():
    failures = [one.number for one in proposals(40, failing=costly) if one.envelope.failure]
    costs = [one.plan.params["cost"]["seconds"] for one in proposals(40, failing=costly) if one.envelope.failure]
    assert len(failures) <= 6
    assert costs == sorted(costs, reverse=True), "each failure is cheaper than the one before"


def test_training_that_diverged_is_not_tried_at_a_higher_rate():
    settings = {"optimizer": "sgd", "norm": "none", "lr": 0.001}
    warning = recalled(Kind.FAILURE, failure_kind="non_finite", family="mlp", settings=settings)
    for one in proposals(30, [warning]):
        known = one.plan.params["settings"]
        assert not (
            one.plan.family == "mlp"
            and (known["optimizer"], known["norm"]) == ("sgd", "none")
            and known["lr"] >= 0.001
        )  # fmt: skip


def test_where_everything_is_warned_of_the_search_goes_on_all_the_same():
    free = {"seconds": 0.0, "work": 0.0}
    warnings = [
        recalled(Kind.FAILURE, failure_kind=k, family="mlp", settings={}, cost=free) for k in ("timeout", "oom")
    ]
    assert len(proposals(4, warnings)) == 4


def test_lessons_are_the_same_after_the_journal():
    told = [
        recalled(Kind.RESULT, family="mlp", settings=WIDE),
        recalled(
            Kind.FAILURE,
            failure_kind="timeout",
            family="mlp",
            settings={},
            cost={"seconds": 1.0, "work": 9.0},
        ),
    ]
    again = [Recalled.model_validate_json(one.model_dump_json()) for one in told]
    assert [one.plan for one in proposals(12, told)] == [one.plan for one in proposals(12, again)]


def test_a_memory_limit_stops_what_works_as_hard_in_the_same_family():
    space = Space(goal(), problem_of(DIGITS))
    small, large = (space.candidate("mlp", space.filled("mlp", {"width": width, "depth": 2})) for width in (32, 256))
    other = space.candidate("mixer", space.filled("mixer", {"width": 48}))
    warnings = lessons.Warnings([lessons.Failed("oom", "mlp", {}, lessons.cost_of(large, space))], ())
    assert warnings.apply_to(large, lessons.cost_of(large, space))
    assert not warnings.apply_to(small, lessons.cost_of(small, space))
    assert lessons.cost_of(other, space).work > lessons.cost_of(large, space).work
    assert not warnings.apply_to(other, lessons.cost_of(other, space))


def test_what_fitted_before_is_no_reason_to_expect_that_less_will_not_fit():
    space = Space(goal(), problem_of(DIGITS))
    large = space.candidate("mlp", space.filled("mlp", {"width": 256, "depth": 2}))
    cost = lessons.cost_of(large, space)
    failure = lessons.Failed("oom", "mlp", {}, cost)
    more = lessons.Cost(cost.seconds, 2 * cost.work)
    assert not lessons.Warnings([failure], [("mlp", more), ("mlp", more)]).apply_to(large, cost)


@pytest.mark.parametrize(
    ("out", "in_time", "least", "most"),
    [
        ((), (1.0, 2.0), float("inf"), float("inf")),
        ((4.0, 5.0), (), 3.1, 4.0),
        ((4.0, 5.0), (1.0, 3.9), 3.9, 4.0),
        ((0.2, 4.0, 5.0), (1.0, 2.0, 3.0), 3.0, 4.0),  # one moment in which the machine was busy
        ((4.0, 5.0), (1.0, 9.0), 3.1, 4.0),  # one in which it was idle
        ((1.0,), (2.0, 3.0), float("inf"), float("inf")),
    ],
)
def test_a_limit_parts_best_what_ran_into_it_from_what_did_not(out, in_time, least, most):
    assert least <= lessons.step(out, in_time) <= most
