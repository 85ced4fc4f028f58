"""Goals, data sets and histories as real records, for tests of planners."""

import random
from collections.abc import Callable, Sequence
from typing import Literal

from fumehood.planning.protocol import Planner
from fumehood.records import (
    Dataset,
    Decision,
    Envelope,
    Goal,
    Interval,
    Iteration,
    MetricSummary,
    Move,
    Plan,
    Score,
    SeedResult,
    Verdict,
)
from fumehood_shared.messages import (
    ArraySpec,
    DataFacts,
    Failure,
    FailureKind,
    InputKind,
    TabularEncoding,
    TargetEncoding,
    Task,
    WorkerReport,
)

Scorer = Callable[[Plan, int], float | None]


def goal(direction: Literal["max", "min"] = "max", max_parameters: int | None = None) -> Goal:
    metric = "accuracy" if direction == "max" else "rmse"
    return Goal(text="as good as possible", metric=metric, direction=direction, max_parameters=max_parameters)


def dataset(
    shape: tuple[int, ...],
    rows: int = 1000,
    outputs: int = 10,
    kind: InputKind | None = None,
    task: Task = Task.CLASSIFICATION,
    vocab_size: int | None = None,
) -> Dataset:
    guessed = InputKind.IMAGE if len(shape) == 3 else InputKind.TABULAR
    return Dataset(
        spec="digits",
        task=task,
        input_kind=kind or guessed,
        input_shape=shape,
        num_outputs=outputs,
        vocab_size=vocab_size,
        encoding=TabularEncoding(columns=()),
        target=TargetEncoding(name="target"),
        arrays={"train_inputs": ArraySpec(dtype="float32", shape=(rows, *shape))},
        digests={},
        source_digest="0" * 64,
        split_seed=0,
        facts=DataFacts(rows=rows),
    )


DIGITS = dataset((1, 8, 8), 1078)
PHOTOS = dataset((3, 32, 32), 1500)
WINE = dataset((13,), 106, 3)
DIABETES = dataset((10,), 265, 1, task=Task.REGRESSION)
TABLE = dataset((40,), 3000, 2)
REVIEWS = dataset((40,), 1200, 2, InputKind.TOKENS, vocab_size=900)
ALL = {"digits": DIGITS, "photos": PHOTOS, "wine": WINE, "diabetes": DIABETES, "table": TABLE, "reviews": REVIEWS}


def score(mean: float, half_width: float | None = 0.02, metric: str = "accuracy") -> Score:
    interval = (
        None if half_width is None else Interval(low=mean - half_width, high=mean + half_width, level=0.95, method="t")
    )
    summary = MetricSummary(
        name=metric, direction="max", mean=mean, std=0.01, min=mean, max=mean, values=(mean,), interval=interval
    )
    return Score(
        split="validation",
        metric=metric,
        metrics={metric: summary},
        n_seeds=3,
        failed_seeds=0,
        n_examples=300,
        baseline=0.1,
    )


def iteration(number: int, plan: Plan, mean: float | None, half_width: float | None = 0.02) -> Iteration:
    return Iteration(
        number=number,
        plan=plan,
        source_digest="0" * 64,
        envelope=Envelope(source_digest="0" * 64, seeds=(), rooms=()),
        score=None if mean is None else score(mean, half_width),
        decision=Decision(verdict=Verdict.DISCARD, reason="a test"),
    )


def through_json(history: list[Iteration]) -> list[Iteration]:
    """The history as a resumed run reads it back from the journal."""
    return [Iteration.model_validate_json(i.model_dump_json()) for i in history]


def noise(seed: int, failures: float = 0.0) -> Scorer:
    """Random scores, and now and then a failure."""
    draw = random.Random(seed)
    return lambda _plan, _number: None if draw.random() < failures else draw.random()


def run(planner: Planner, asked: Goal, data: Dataset, steps: int, scorer: Scorer) -> list[Iteration]:
    """A whole search: propose, score, remember; ends early where the planner has nothing more."""
    history: list[Iteration] = []
    for number in range(1, steps + 1):
        plan = planner.propose(asked, data, history, ())
        if plan is None:
            break
        history.append(iteration(number, plan, scorer(plan, number)))
    return history


# ---- what became of candidates, one by one -----------------------------------------------------------------------


def kept(move: Move = "draft", parent: int | None = None, mean: float = 0.9) -> Iteration:
    """A candidate that was kept as the best so far."""
    found = iteration(1, plan(move, parent), mean)
    return found.model_copy(update={"decision": Decision(verdict=Verdict.KEEP, reason="better")})


def weak(move: Move = "draft", parent: int | None = None, mean: float = 0.5) -> Iteration:
    """A candidate that was scored and discarded."""
    return iteration(1, plan(move, parent), mean)


def failed(
    move: Move = "draft",
    parent: int | None = None,
    message: str = "it broke",
    *,
    kind: FailureKind = FailureKind.SHAPE,
    traceback: str = "",
    log: str = "",
    in_predict_room: bool = False,
) -> Iteration:
    """A candidate of which no seed survived."""
    failure = Failure(kind=kind, message=message, traceback=traceback, line=3)
    claims = WorkerReport(index=0, failure=failure)
    well = WorkerReport(index=0)
    seed = SeedResult(
        seed=0,
        failure=failure,
        train_claims=well if in_predict_room else claims,
        predict_claims=claims if in_predict_room else None,
    )
    envelope = Envelope(source_digest="0" * 64, seeds=(seed,), rooms=(), log_tail=log)
    return iteration(1, plan(move, parent), None).model_copy(update={"envelope": envelope})


def plan(move: Move = "draft", parent: int | None = None, title: str = "A network", design: str = "a network") -> Plan:
    return Plan(family="cnn", title=title, rationale="why not", design=design, recipe={}, move=move, parent=parent)


def numbered(history: Sequence[Iteration]) -> list[Iteration]:
    return [one.model_copy(update={"number": number}) for number, one in enumerate(history, start=1)]
