"""Whole runs as the journal would give them, for tests of what people see. Deterministic; nothing here is random.

``hostile`` puts a text into every free-text field of any record, however deep.
"""

import hashlib
import math
from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from fumehood.records import (
    CalibrationBin,
    Call,
    ClassReport,
    Comparison,
    Dataset,
    Decision,
    Envelope,
    Goal,
    ImageFact,
    Interval,
    Iteration,
    MetricSummary,
    Mistake,
    Phase,
    Plan,
    Remeasured,
    RoomFacts,
    Run,
    RunSettings,
    Score,
    Sealed,
    SeedResult,
    StopReason,
    Verdict,
)
from fumehood_shared.messages import (
    ArraySpec,
    CategoryColumn,
    DataFacts,
    Failure,
    FailureKind,
    ImageEncoding,
    InputKind,
    LayerSummary,
    ModelSummary,
    NumberColumn,
    Recipe,
    TabularEncoding,
    TargetEncoding,
    Task,
    TrainSlice,
    WorkerReport,
)

SPECIES = ("adelie", "chinstrap", "gentoo")


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# ---- runs --------------------------------------------------------------------------------------------------------


def good_run() -> Run:
    """Six iterations on a table with three classes: one fails wholly, one loses a seed; the goal is met."""
    history = (
        iteration(1, "mlp", 0.842, keep=True, reason="First candidate that survived."),
        iteration(2, "mlp", 0.894, keep=True, reason="Better by 0.052, more than the noise floor of 0.011."),
        failed_iteration(3, FailureKind.OOM, "The room's memory limit of 2 GiB was reached while training."),
        iteration(4, "residual_mlp", 0.963, keep=True, reason="Better by 0.069, more than the noise floor of 0.009."),
        iteration(5, "residual_mlp", 0.958, keep=False, reason="Not better than the incumbent.", lost_seeds=1),
        iteration(6, "residual_mlp", 0.971, keep=False, reason="Better by 0.008, within the noise floor of 0.012."),
    )
    return Run(
        run_id="run_20261123T031500Z-7f3a",
        started_at="2026-11-23T03:15:00Z",
        finished_at="2026-11-23T03:31:42Z",
        settings=settings(),
        image=image(),
        dataset=penguins(),
        iterations=history,
        incumbent=4,
        stopped_because=StopReason.ITERATIONS,
        final=Sealed(iteration=4, score=score(0.981, split="test"), opening=1, test_digest=digest("test")),
        goal_achieved=True,
        versions={"fumehood": "0.1.0", "torch": "2.13.0"},
    )


def asking_run() -> Run:
    """The run above, led by a language model: one of its prices is unknown, and one answer could not be used."""
    return good_run().model_copy(
        update={
            "calls": (
                call(1, Phase.PLANNING, 1200, 300, 0.0042),
                call(2, Phase.PLANNING, 1500, 2000, 0.0218),
                call(3, Phase.ARCHITECTURE, 1800, 100, None),
                call(4, Phase.ARCHITECTURE, 1900, 0, 0.0, "the answer is no JSON object"),
            )
        }
    )


def settled_run() -> Run:
    """The run above whose finalists were measured again; the fourth won, the sixth failed."""
    run = good_run()
    again = [
        Remeasured(iteration=4, envelope=envelope(4, 3), score=score(0.95, "validation")),
        Remeasured(iteration=6, envelope=envelope(6, 3, lost=3), score=None),
    ]
    return run.model_copy(update={"remeasured": tuple(again), "settled": True, "winner": 4})


def missed_run() -> Run:
    """As the good run, but the bound stays below the target, at the third opening of the seal."""
    run = good_run()
    final = Sealed(iteration=4, score=score(0.957, split="test"), opening=3, test_digest=digest("test"))
    return run.model_copy(update={"final": final, "goal_achieved": False, "resumed": 1})


def failing_run() -> Run:
    """Three candidates, no survivor, seal unopened."""
    return good_run().model_copy(
        update={
            "iterations": (
                failed_iteration(1, FailureKind.SYNTAX, "invalid syntax"),
                failed_iteration(2, FailureKind.TIMEOUT, "The deadline of 300 s passed."),
                failed_iteration(3, FailureKind.TIMEOUT, "The deadline of 300 s passed."),
            ),
            "incumbent": None,
            "final": None,
            "goal_achieved": False,
        }
    )


def empty_run() -> Run:
    """Just begun: no data set, no image, no iteration."""
    return Run(run_id="run_new", started_at="2026-11-23T03:15:00Z", settings=settings())


def unfinished_run() -> Run:
    """Interrupted after four iterations."""
    run = good_run()
    return run.model_copy(
        update={
            "iterations": run.iterations[:4],
            "finished_at": None,
            "final": None,
            "goal_achieved": None,
            "stopped_because": None,
        }
    )


def regression_run() -> Run:
    """RMSE on a built-in data set, no target; less is better."""
    history = tuple(
        Iteration(
            number=n,
            plan=plan("mlp", n),
            source_digest=digest(f"source {n}"),
            envelope=told(envelope(n, 2), lambda k: TrainSlice(rows=264, loss=40.0 + k, r2=0.7)),
            score=regression_score(rmse, "validation"),
            decision=Decision(verdict=Verdict.KEEP, reason=f"RMSE {rmse} is the best so far."),
        )
        for n, rmse in enumerate((61.4, 57.9, 54.2), start=1)
    )
    goal = Goal(text="Predict disease progression as closely as you can", metric="rmse", direction="min")
    return good_run().model_copy(
        update={
            "settings": settings(goal=goal, data="diabetes", num_seeds=2),
            "dataset": diabetes(),
            "iterations": history,
            "incumbent": 3,
            "final": Sealed(iteration=3, score=regression_score(56.8, "test"), opening=1, test_digest=digest("d")),
            "goal_achieved": None,
            "stopped_because": StopReason.EXHAUSTED,
        }
    )


def long_run(n: int = 60) -> Run:
    """Image classification over ``n`` iterations with slow gains and failures in between."""
    best, history = 0.0, []
    for number in range(1, n + 1):
        if number % 11 == 0:
            history.append(failed_iteration(number, FailureKind.TIMEOUT, "The deadline of 300 s passed."))
            continue
        value = 0.97 - 0.35 * math.exp(-number / 14) + 0.03 * math.sin(number * 2.4)
        keep = value > best + 0.006
        best = max(best, value) if keep else best
        reason = "Better by more than the noise floor." if keep else "Within the noise floor of 0.006."
        history.append(iteration(number, ("cnn", "residual_cnn", "vit")[number % 3], value, keep=keep, reason=reason))
    kept = [one.number for one in history if one.decision.verdict is Verdict.KEEP]
    digits = settings(data="digits", max_iterations=n)
    return good_run().model_copy(
        update={
            "settings": digits,
            "dataset": images(),
            "iterations": tuple(history),
            "incumbent": kept[-1],
            "final": Sealed(iteration=kept[-1], score=score(0.957, "test"), opening=2, test_digest=digest("t")),
            "goal_achieved": False,
        }
    )


ALL = {
    "good": good_run,
    "asking": asking_run,
    "missed": missed_run,
    "failing": failing_run,
    "empty": empty_run,
    "unfinished": unfinished_run,
    "regression": regression_run,
    "long": long_run,
}


# ---- parts -------------------------------------------------------------------------------------------------------


def settings(**changes: Any) -> RunSettings:
    goal = Goal(
        text="Tell the three penguin species apart with at least 95% accuracy and fewer than 100k parameters",
        metric="accuracy",
        direction="max",
        target=0.95,
        max_parameters=100_000,
    )
    values: dict[str, Any] = {
        "name": "penguins",
        "goal": goal,
        "data": "csv:penguins.csv#target=species",
        "planner": "search",
        "max_iterations": 6,
        "num_seeds": 3,
        "seed": 7,
        "split_seed": 0,
        "policy": "standard",
        "budget_minutes": 30.0,
        "overrides": {"epochs": 40},
    }
    return RunSettings(**(values | changes))


def call(number: int, phase: Phase, prompt: int, answer: int, cost: float | None, failure: str = "") -> Call:
    return Call(
        number=number,
        purpose="plan",
        phase=phase,
        model="openai/gpt-oss:20b",
        prompt_tokens=prompt,
        completion_tokens=answer,
        cost_usd=cost,
        latency_s=2.5,
        failure=failure,
        digest=digest(f"call {number}"),
    )


def image() -> ImageFact:
    return ImageFact(
        tag="fumehood-sandbox:0.1.0",
        image_id=f"sha256:{digest('image')}",
        base="python:3.11-slim-bookworm",
        base_digest=f"sha256:{digest('base')}",
    )


def penguins() -> Dataset:
    columns = (
        NumberColumn(name="bill_length_mm", fill=44.0, mean=43.9, std=5.4, indicator=True),
        CategoryColumn(name="island", values=("Biscoe", "Dream", "Torgersen")),
    )
    return _dataset(
        spec="csv:penguins.csv#target=species",
        input_kind=InputKind.TABULAR,
        input_shape=(9,),
        encoding=TabularEncoding(columns=columns),
        target=TargetEncoding(name="species", classes=SPECIES),
        rows=(206, 69, 69),
        facts=DataFacts(
            rows=344,
            class_counts=dict(zip(SPECIES, (152, 68, 124), strict=True)),
            missing_cells={"bill_length_mm": 2, "sex": 11},
            dropped_rows=1,
            duplicate_rows_across_splits=1,
            notes=("Column 'rowid' counts rows and was left out.",),
        ),
    )


def images() -> Dataset:
    return _dataset(
        spec="digits",
        input_kind=InputKind.IMAGE,
        input_shape=(1, 8, 8),
        encoding=ImageEncoding(shape=(1, 8, 8), mean=(4.9,), std=(6.0,)),
        target=TargetEncoding(name="digit", classes=SPECIES),
        rows=(1077, 360, 360),
        facts=DataFacts(rows=1797),
    )


def diabetes() -> Dataset:
    data = _dataset(
        spec="diabetes",
        input_kind=InputKind.TABULAR,
        input_shape=(10,),
        encoding=TabularEncoding(columns=(NumberColumn(name="bmi", fill=0.0, mean=0.0, std=1.0),)),
        target=TargetEncoding(name="progression", mean=(152.1,), std=(77.0,)),
        rows=(264, 89, 89),
        facts=DataFacts(rows=442),
    )
    return data.model_copy(update={"task": Task.REGRESSION, "num_outputs": 1})


def _dataset(rows: tuple[int, int, int], input_shape: tuple[int, ...], **values: Any) -> Dataset:
    arrays = {}
    for split, n in zip(("train", "validation", "test"), rows, strict=True):
        arrays[f"{split}_inputs"] = ArraySpec(dtype="float32", shape=(n, *input_shape))
        arrays[f"{split}_targets"] = ArraySpec(dtype="int64", shape=(n,))
    return Dataset(
        task=Task.CLASSIFICATION,
        input_shape=input_shape,
        num_outputs=3,
        arrays=arrays,
        digests={name: digest(name) for name in arrays},
        source_digest=digest("source"),
        split_seed=0,
        **values,
    )


def plan(family: str, number: int) -> Plan:
    layers = [
        {"type": "Linear", "out_features": 64},
        {"type": "GELU"},
        {"type": "residual_mlp_block", "hidden": 128, "dropout": 0.1},
        {"type": "Linear", "out_features": 3},
    ]
    return Plan(
        family=family,
        title=f"{family.replace('_', ' ')}, width 64, depth {1 + number % 4}",
        rationale="Wider layers gained most so far; dropout follows, since training loss is near zero.",
        model_config={"class_name": "Candidate", "input_shape": [9], "num_outputs": 3, "layers": layers},
        recipe={"lr": 0.003, "epochs": 40, "augment": ["noise"]},
        params={"width": 64},
    )


def iteration(number: int, family: str, mean: float, *, keep: bool, reason: str, lost_seeds: int = 0) -> Iteration:
    return Iteration(
        number=number,
        plan=plan(family, number),
        source_digest=digest(f"source {number}"),
        envelope=envelope(number, 3, lost_seeds),
        score=score(mean, "validation", failed=lost_seeds),
        decision=Decision(verdict=Verdict.KEEP if keep else Verdict.DISCARD, reason=reason),
    )


def failed_iteration(number: int, kind: FailureKind, message: str) -> Iteration:
    failure = Failure(kind=kind, message=message, traceback=f"Traceback ...\n{message}", line=12)
    seeds = tuple(SeedResult(seed=100 * number + k, failure=failure) for k in range(3))
    return Iteration(
        number=number,
        plan=plan("mlp", number),
        source_digest=digest(f"source {number}"),
        envelope=Envelope(
            source_digest=digest(f"source {number}"),
            seeds=seeds,
            rooms=(room("train", 9.1, oom=kind is FailureKind.OOM),),
            log_tail="epoch 1 loss 1.09\nepoch 2 loss 0.98\nKilled",
        ),
        score=None,
        decision=Decision(verdict=Verdict.DISCARD, reason="Every seed failed, so there is nothing to keep."),
    )


def envelope(number: int, seeds: int, lost: int = 0) -> Envelope:
    lost_failure = Failure(kind=FailureKind.NON_FINITE, message="The predictions hold NaN.")
    results = [
        SeedResult(seed=100 * number + k, failure=lost_failure)
        if k >= seeds - lost
        else SeedResult(
            seed=100 * number + k,
            predictions_digest=digest(f"p{number}{k}"),
            weights_digest=digest(f"w{number}{k}"),
            parameters=17_859,
            train_claims=claims(k),
            predict_claims=WorkerReport(index=k, predict_s=0.02),
        )
        for k in range(seeds)
    ]
    return Envelope(
        source_digest=digest(f"source {number}"),
        seeds=tuple(results),
        rooms=(room("train", 4.2), room("predict", 0.6)),
        log_tail="epoch 40 loss 0.021",
    )


def told(brought: Envelope, said: Callable[[int], TrainSlice | None], why: str = "") -> Envelope:
    """With other claims about training rows, by the number of the seed."""
    seeds = []
    for k, seed in enumerate(brought.seeds):
        claim = seed.train_claims
        changes = {"train_slice": said(k), "no_train_slice_because": why}
        seeds.append(seed.model_copy(update={"train_claims": claim and claim.model_copy(update=changes)}))
    return brought.model_copy(update={"seeds": tuple(seeds)})


def room(role: Any, wall: float, oom: bool = False) -> RoomFacts:
    return RoomFacts(
        role=role,
        wall_s=wall,
        ready_s=3.1,
        cpu_s=wall * 1.8,
        peak_memory_bytes=412_000_000,
        oom_killed=oom,
        output_bytes=284_000,
    )


def claims(k: int) -> WorkerReport:
    layers = (
        LayerSummary(name="net.0", type="Linear", output_shape="(2, 64)", parameters=640, bytes=2560),
        LayerSummary(name="net.2.block.0", type="Linear", output_shape="(2, 128)", parameters=8320, bytes=33280),
        LayerSummary(name="net.3", type="Linear", output_shape="(2, 3)", parameters=195, bytes=780),
    )
    return WorkerReport(
        index=k,
        summary=ModelSummary(layers=layers, parameters=17_859, bytes=71_436),
        recipe=Recipe(lr=0.003, epochs=40),
        epochs=40,
        train_loss=tuple(1.1 * math.exp(-e / (9 + k)) + 0.01 * (1 + math.sin(e + k)) / 2 for e in range(40)),
        train_slice=TrainSlice(rows=206, loss=0.03 + k / 100, accuracy=0.99 + k % 3 / 200),
        train_s=3.4 + k / 10,
        started_after_s=0.2,
    )


# ---- scores ------------------------------------------------------------------------------------------------------


def score(mean: float, split: Any, failed: int = 0) -> Score:
    """Accuracy and three companions over three seeds on 69 examples."""
    metrics = {
        "accuracy": summary("accuracy", mean, 0.012),
        "balanced_accuracy": summary("balanced_accuracy", mean - 0.01, 0.016),
        "f1_macro": summary("f1_macro", mean - 0.006, 0.014),
        "log_loss": summary("log_loss", 1.2 - mean, 0.04, "min", "log"),
    }
    matrix = ((88, 2, 0), (3, 39, 0), (0, 0, 75))
    return Score(
        split=split,
        metric="accuracy",
        metrics=metrics,
        n_seeds=3,
        failed_seeds=failed,
        n_examples=69,
        baseline=0.442,
        classes=tuple(
            ClassReport(
                name=name,
                support=n,
                precision=0.97,
                recall=0.96,
                f1=0.965,
                precision_interval=rate_interval(0.97),
                recall_interval=rate_interval(0.96),
            )
            for name, n in zip(SPECIES, (30, 14, 25), strict=True)
        ),
        confusion=matrix,
        mistakes=(
            Mistake(true="chinstrap", predicted="adelie", count=3, rate=3 / 42, interval=rate_interval(3 / 42)),
            Mistake(true="adelie", predicted="chinstrap", count=2, rate=2 / 90, interval=rate_interval(2 / 90)),
        ),
        calibration=(
            CalibrationBin(low=9 / 15, high=10 / 15, count=12, confidence=0.63, accuracy=0.5, interval=wilson(0.5)),
            CalibrationBin(low=14 / 15, high=1.0, count=195, confidence=0.98, accuracy=0.97, interval=wilson(0.97)),
        ),
    )


def rate_interval(value: float) -> Interval:
    return Interval(low=value / 2, high=(1 + value) / 2, level=0.95, method="seeds and examples, score")


def wilson(value: float) -> Interval:
    return Interval(low=value / 2, high=(1 + value) / 2, level=0.95, method="Wilson, seeds counted as one")


def comparison(difference: float, p_value: float, adjusted: float) -> Comparison:
    method = "paired comparison, seeds and examples"
    return Comparison(
        metric="accuracy",
        difference=difference,
        standard_error=0.01,
        df=7.4,
        p_value=p_value,
        interval=Interval(low=difference - 0.025, high=difference + 0.025, level=0.95, method=method),
        method=method,
        adjusted_p_value=adjusted,
    )


def regression_score(rmse: float, split: Any) -> Score:
    """Of test rows that all have the same target, so that they define no R2."""
    metrics = {
        "r2": summary("r2", 1 - (rmse / 77) ** 2, 0.05, scale="log_gap"),
        "rmse": summary("rmse", rmse, 4.1, "min", "log"),
    }
    undefined = {"r2": "a target is the same in every row"} if split == "test" else {}
    return Score(
        split=split,
        metric="rmse",
        metrics={name: one for name, one in metrics.items() if name not in undefined},
        undefined=undefined,
        n_seeds=2,
        failed_seeds=0,
        n_examples=89,
        baseline=77.3,
    )


def summary(name: str, mean: float, half: float, direction: Any = "max", scale: str = "score") -> MetricSummary:
    values = (mean - half / 2, mean, mean + half / 2)
    return MetricSummary(
        name=name,
        direction=direction,
        mean=mean,
        std=half / 2,
        min=min(values),
        max=max(values),
        values=values,
        interval=Interval(low=mean - half, high=mean + half, level=0.95, method=f"seeds and examples, {scale}"),
        shown_beside=(
            Interval(
                low=mean - half * 0.7,
                high=mean + half * 0.7,
                level=0.95,
                method="percentile bootstrap, seeds and examples",
            ),
        ),
    )


# ---- hostile text ------------------------------------------------------------------------------------------------


def rewritten(record: Any, change: Callable[[str], str]) -> Any:
    """``record`` with ``change`` applied to every free string in it, keys of dictionaries too, then validated."""
    if not isinstance(record, BaseModel):
        return record
    values = {}
    for name, field in type(record).model_fields.items():
        longest = next((m.max_length for m in field.metadata if hasattr(m, "max_length")), None)
        free = not _fixed(field.annotation)
        values[field.alias or name] = _rewritten(getattr(record, name), change, free, longest)
    return type(record).model_validate(values)


def _rewritten(value: Any, change: Callable[[str], str], free: bool, longest: int | None) -> Any:
    if type(value) is str:
        return change(value)[:longest] if free else value
    if isinstance(value, BaseModel):
        return rewritten(value, change)
    if isinstance(value, tuple | list):
        return type(value)(_rewritten(one, change, free, None) for one in value)
    if isinstance(value, Mapping):
        arrays = all(key.endswith(("_inputs", "_targets")) for key in value)
        keys = value if arrays else [key if key in _RECIPE or key in _CONFIG else change(key) for key in value]
        return {k: _rewritten(v, change, free, None) for k, v in zip(keys, value.values(), strict=True)}
    return value


_RECIPE = frozenset(Recipe.model_fields)
_CONFIG = frozenset({"class_name", "input_shape", "num_outputs", "layers", "type"})


def _fixed(annotation: Any) -> bool:
    """Whether the type allows only certain strings: a Literal or an enumeration."""
    if get_origin(annotation) is None:
        return False
    return all(isinstance(one, str) for one in get_args(annotation)) and bool(get_args(annotation))
