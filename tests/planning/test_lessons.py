"""What the search makes of what earlier runs found out, and of failures of its own."""

import random
from typing import Any

import pytest

from fumehood.memory.likeness import fingerprint
from fumehood.planning import lessons
from fumehood.planning.knobs import problem_of
from fumehood.planning.search import SearchPlanner
from fumehood.planning.space import Space
from fumehood.records import Dataset, Iteration, Phase, Plan, SeedResult
from fumehood.records.insight import DataFingerprint, Insight, Kind, Recalled
from fumehood_shared.messages import Failure, FailureKind, Landmarks
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


def about(one: Recalled, dataset: Dataset, **changes: Any) -> Recalled:
    """As found out on data that differ from ``dataset`` in their source and in ``changes`` alone."""
    data = fingerprint(dataset).model_copy(update={"source_digest": "of others", **changes})
    return one.model_copy(update={"insight": one.insight.model_copy(update={"data": data})})


def test_what_did_well_on_much_the_same_data_goes_before_what_is_built_in():
    plain = [one.plan for one in proposals(2)]
    others = [recalled(Kind.RESULT, family="mlp", settings={**WIDE, "width": width}) for width in (128, 256)]
    taught = [one.plan for one in proposals(4, [about(one, TABLE) for one in others])]
    assert [one.params["settings"]["width"] for one in taught[:2]] == [128, 256]
    assert "did well before" in taught[0].rationale
    assert [one.params["settings"] for one in taught[2:]] == [one.params["settings"] for one in plain]


def test_what_did_well_on_other_data_takes_turns_with_what_is_built_in_which_begins():
    plain = [one.plan for one in proposals(2)]
    far = about(recalled(Kind.RESULT, family="mlp", settings=WIDE), TABLE, rows=30, input_shape=(2,), num_outputs=40)
    for one in (far, recalled(Kind.RESULT, family="mlp", settings=WIDE)):
        first, second, third = (one.plan for one in proposals(3, [one]))
        assert [plan.params["settings"] for plan in (first, third)] == [plan.params["settings"] for plan in plain]
        assert {name: second.params["settings"][name] for name in WIDE} == WIDE


def test_data_of_the_same_shape_are_not_alike_where_simple_models_get_further_on_the_one():
    straight, curved = Landmarks(linear=0.52, smooth=0.51), Landmarks(linear=0.05, smooth=0.85)
    here = TABLE.model_copy(update={"facts": TABLE.facts.model_copy(update={"landmarks": straight})})
    one = recalled(Kind.RESULT, family="mlp", settings=WIDE)
    begins = {
        found: {**proposals(1, [about(one, here, landmarks=found)], data=here)[0].plan.params["settings"]}
        for found in (straight, curved)
    }
    assert begins[curved] == proposals(1, data=here)[0].plan.params["settings"]
    assert begins[straight]["width"] == WIDE["width"]


def test_settings_of_another_space_come_to_the_next_point_of_this_one():
    one = about(recalled(Kind.PATTERN, family="mlp", settings={**WIDE, "width": 5000}), WINE)
    (first,) = proposals(1, [one], data=WINE)
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
    assert proposals(2, [near]) != proposals(2)


@pytest.mark.parametrize(("beats", "is_tried"), [(True, True), (None, True), (False, False)])
def test_what_did_no_better_than_the_first_built_in_start_is_no_start(beats, is_tried):
    one = about(recalled(Kind.RESULT, family="mlp", settings=WIDE, beats_first_start=beats), TABLE)
    assert (proposals(1, [one]) != proposals(1)) is is_tried


def test_a_built_in_start_is_told_from_others_by_its_place():
    plans = [one.plan for one in proposals(8, [recalled(Kind.RESULT, family="mlp", settings=WIDE)])]
    assert [plan.params.get("start") for plan in plans[:3]] == [0, None, 1]
    assert plans[-1].params.get("start") is None


def test_at_most_three_of_those_recalled_are_tried():
    many = [recalled(Kind.RESULT, family="mlp", settings={**WIDE, "width": width}) for width in (32, 64, 128, 256, 512)]
    settings = [one.plan.params["settings"] for one in proposals(8, many)]
    assert [one["width"] for one in settings if {**WIDE, "width": one["width"]}.items() <= one.items()] == [32, 64, 128]


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
    free = {"seconds": 0.0, "memory": 0.0}
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
            cost={"seconds": 1.0, "memory": 9.0},
        ),
    ]
    again = [Recalled.model_validate_json(one.model_dump_json()) for one in told]
    assert [one.plan for one in proposals(12, told)] == [one.plan for one in proposals(12, again)]


def test_a_memory_limit_stops_what_needs_as_much_in_the_same_family_and_much_more_in_others():
    space = Space(goal(), problem_of(DIGITS))
    mlp, mixer = (space.candidate(name, space.filled(name, {"width": 48})) for name in ("mlp", "mixer"))
    out = lessons.Warnings(
        [lessons.Failed("oom", "mlp", {}, lessons.Cost(0.0, 10.0))], [("mlp", lessons.Cost(0.0, 9.0))]
    )
    assert [out.apply_to(mlp, lessons.Cost(0.0, need)) for need in (8.0, 10.0)] == [False, True]
    assert [out.apply_to(mixer, lessons.Cost(0.0, need)) for need in (10.0, 15.0, 20.0)] == [False, False, True]


def test_a_limit_of_a_familys_own_is_no_looser_than_that_of_others():
    space = Space(goal(), problem_of(DIGITS))
    mixer = space.candidate("mixer", space.filled("mixer", {"width": 48}))
    failures = [
        lessons.Failed("oom", family, {}, lessons.Cost(0.0, need)) for family, need in (("mlp", 10.0), ("mixer", 90.0))
    ]
    assert lessons.Warnings(failures, ()).apply_to(mixer, lessons.Cost(0.0, 20.0))


def test_what_fitted_before_is_no_reason_to_expect_that_less_will_not_fit():
    space = Space(goal(), problem_of(DIGITS))
    large = space.candidate("mlp", space.filled("mlp", {"width": 256, "depth": 2}))
    cost = lessons.cost_of(large, space)
    failure = lessons.Failed("oom", "mlp", {}, cost)
    more = lessons.Cost(cost.seconds, 2 * cost.memory)
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
