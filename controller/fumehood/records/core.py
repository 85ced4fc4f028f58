"""From the question to the judgement of one candidate: goal, data set, plan, what rooms brought, score, decision."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fumehood_shared import paths
from fumehood_shared.messages import (
    ArraySpec,
    DataFacts,
    Encoding,
    Failure,
    Fold,
    InputKind,
    TargetEncoding,
    Task,
    WorkerReport,
)


class Record(BaseModel):
    """Base of all records: immutable, no unknown fields, finite numbers only."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


# ---- the question ------------------------------------------------------------------------------------------------


class Goal(Record):
    """What is asked for. ``target`` None means: as good as the budget allows."""

    text: str
    metric: str
    """A name of ``scoring.METRICS``: accuracy, balanced_accuracy, f1_macro, roc_auc, log_loss, r2, rmse, mae ..."""
    direction: Literal["max", "min"]
    target: float | None = None
    """In the metric's own units; accuracies as fractions of 1."""
    data: str | None = None
    """Data specification named in the goal's text, if any."""
    max_parameters: int | None = None
    """Largest number of parameters a winner may have; None is no limit."""
    max_train_s: float | None = None
    """Longest wall time of a winner's train rooms, in seconds, each for itself; None is no limit."""


class GoalDraft(Record):
    """What a goal's text says. ``metric`` None: not said. ``percent``: the target was written with a percent sign."""

    text: str
    metric: str | None = None
    target: float | None = None
    percent: bool = False
    data: str | None = None
    max_parameters: int | None = None
    max_train_s: float | None = None


class Dataset(Record):
    """A prepared data set: what it is, and digests of every array. The arrays lie in the run's ``sealed/``."""

    spec: str
    """As the user wrote it."""
    task: Task
    input_kind: InputKind
    input_shape: tuple[int, ...]
    num_outputs: int
    vocab_size: int | None = None
    encoding: Encoding
    target: TargetEncoding
    arrays: dict[str, ArraySpec]
    digests: dict[str, str]
    """Array name -> SHA-256 of its bytes, hexadecimal."""
    source_digest: str
    """SHA-256 of the raw file, or of ``builtin:NAME@library version``."""
    split_seed: int
    subset: int | None = None
    """How many rows were asked for; None is all."""
    folds: tuple[Fold, ...] = ()
    """What each fold has of its own; then ``encoding`` and ``target`` are the first one's. None without folds."""
    facts: DataFacts

    def rows(self, split: str) -> int:
        """Number of rows of ``split`` (train, validation, test). With folds a model has the fewest rows to train on."""
        if self.folds and split == "train":
            return min(self.fold(number).rows(split) for number in self.numbers)
        return self.arrays[f"{split}_{'targets' if self.folds else 'inputs'}"].shape[0]

    @property
    def numbers(self) -> range:
        """Of the folds, from 1."""
        return range(1, len(self.folds) + 1)

    def fold(self, number: int) -> "Dataset":
        """A data set of its own, whose validation rows are the fold and whose training rows are those of all others."""
        own = self.folds[number - 1]
        prefix = paths.fold_array(number, "")
        arrays = {name.removeprefix(prefix): spec for name, spec in self.arrays.items() if name.startswith(prefix)}
        digests = {name.removeprefix(prefix): value for name, value in self.digests.items() if name.startswith(prefix)}
        changes = {"encoding": own.encoding, "target": own.target, "arrays": arrays, "digests": digests, "folds": ()}
        return self.model_copy(update=changes)


Move = Literal["draft", "improve", "fix"]
"""What a proposal does: begins anew, changes the best so far, or repairs one that failed."""


class Phase(StrEnum):
    """Where a run stands, as its journal tells (``planning.phases``)."""

    PLANNING = "planning"
    """Nothing was tried yet."""
    ARCHITECTURE = "architecture"
    """Different designs are tried."""
    EVALUATION = "evaluation"
    """Failures are repaired, and scores looked into."""
    OPTIMIZATION = "optimization"
    """The best so far is improved."""


# ---- the proposal ------------------------------------------------------------------------------------------------


class Plan(Record):
    """A planner's proposal. ``params`` is the planner's own account of it, enough to rebuild its state from history."""

    family: str
    """mlp, residual_mlp, cnn, residual_cnn, vit, mixer, bag_of_words, text_cnn, text_transformer ..."""
    title: str
    rationale: str
    model_config_: dict[str, Any] | None = Field(default=None, alias="model_config")
    """``class_name``, ``input_shape``, ``num_outputs``, ``layers``: list of ``{"type": ..., ...}``. None: the source is
    written by a language model, after ``design``."""
    design: str = ""
    """What to build, in words, where no ``model_config`` says it."""
    recipe: dict[str, Any]
    """Fields of ``fumehood_shared.messages.Recipe``."""
    params: dict[str, Any] = {}
    move: Move = "draft"
    parent: int | None = None
    """Number of the iteration that an improvement or a fix begins from."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True, serialize_by_alias=True
    )


# ---- what came back ----------------------------------------------------------------------------------------------


class Inspected(Record):
    """What the engine reported of a created room, and so what its job ran under. Sizes in bytes."""

    image_id: str
    runtime: str
    memory: int
    cpus: float
    pids: int
    tmp: int
    exchange: int
    inodes: int
    shm: int
    nofile: int
    file: int
    seccomp_digest: str
    """SHA-256 of the profile, as given to the engine."""


class RoomFacts(Record):
    """Seen from outside one room: by the engine, by the controller's clock, in the cgroup."""

    role: Literal["prepare", "train", "predict"]
    wall_s: float
    """From the start signal to the end of the job."""
    ready_s: float
    """From the request to create the room to its accepted attestation."""
    cpu_s: float | None = None
    peak_memory_bytes: int | None = None
    """None where the engine does not tell (cgroup v2)."""
    oom_killed: bool = False
    """Evidence, not a verdict: a grandchild's OOM sets it too."""
    exit_code: int | None = None
    """None while the room still ran when its output was read, which is the normal end."""
    output_bytes: int = 0
    inspected: Inspected | None = None
    """None in journals of versions that did not write it."""


class SecondLook(Record):
    """What answers to copies of rows showed, which were asked among all others (``data.mixing``). A fact."""

    repeated: int
    """Rows that were asked twice."""
    disagreeing: int
    """Those of them whose two answers differ by more than rounding explains."""
    largest: float
    """Difference of two such answers, in units of the predictions."""
    shaken: int
    """Rows that were asked once more with their numbers changed a little; 0 where none may be changed."""
    flipped: int
    """Those of them that got another answer: another class, or a value a tenth of all values' spread away."""


class SeedResult(Record):
    """One seed of one candidate. Exactly one of ``failure`` and ``predictions_digest`` is set."""

    seed: int
    failure: Failure | None = None
    predictions_digest: str | None = None
    """SHA-256 of ``predictions/seed-K.bin``: float32 N x C, rows in the data set's own order."""
    weights_digest: str | None = None
    parameters: int | None = None
    """A fact: max(elements, bytes / 4) with buffers, from the weights file's header."""
    train_claims: WorkerReport | None = None
    predict_claims: WorkerReport | None = None
    second_look: SecondLook | None = None
    """None where there are no predictions, and in journals of versions that did not look."""
    folds: "tuple[SeedResult, ...]" = ()
    """What the model of each fold brought, as far as they were tried; empty without folds. Weights are theirs alone,
    and their predictions are parts of the seed's. Of the seed itself ``parameters`` are the most that one of them has,
    claims are the first one's, or those of the one that failed, and the second look is that of all of them."""

    @property
    def models(self) -> "tuple[SeedResult, ...]":
        """What left weights: the seed itself, or its folds in their order. None where the seed failed."""
        return () if self.failure else self.folds or (self,)


class Envelope(Record):
    """Everything one evaluation of one candidate brought back, but for the bytes, which are on disk."""

    source_digest: str
    seeds: tuple[SeedResult, ...]
    rooms: tuple[RoomFacts, ...]
    log_tail: str = ""
    """End of what the train room's workers printed. Free text of a candidate: quoted wherever it is shown."""
    stages: tuple[int, ...] = ()
    """How many seeds were tried at a time, one stage after the other; empty: all of them in one."""
    repeats: int | None = None
    """Number of the iteration with the same source, from which all of this was taken over: it was not run again."""
    planned: int | None = None
    """How many seeds the candidate would have had, were it not given up; None: those it had."""

    @property
    def given_up(self) -> bool:
        """Whether its first seeds showed that the others are not worth their time."""
        return self.planned is not None and len(self.seeds) < self.planned

    @property
    def failure(self) -> Failure | None:
        """The first seed's failure where every seed failed, else None; None, too, without seeds."""
        failures = [s.failure for s in self.seeds]
        return failures[0] if failures and all(failures) else None


# ---- language models ---------------------------------------------------------------------------------------------


class Call(Record):
    """One question to a language model, and what it cost. Its words are in the run's ``logs/llm.jsonl``."""

    number: Annotated[int, Field(ge=1)]
    """Of the line there."""
    purpose: str
    """What was asked for: goal, plan, code, repair ..."""
    phase: Phase
    model: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    """None where nobody knows the price, which is not the same as nothing."""
    latency_s: float
    failure: str = ""
    """Why there is no usable answer; empty where there is one."""
    digest: str
    """SHA-256 of the line, without its end."""


# ---- judgement ---------------------------------------------------------------------------------------------------


class Interval(Record):
    low: float
    high: float
    level: float
    """0.95 for a 95% interval."""
    method: str
    """Name of the method, as documented in ``scoring``."""


class MetricSummary(Record):
    """One metric over the seeds of one candidate. ``std`` is the sample standard deviation over seeds, None for one."""

    name: str
    direction: Literal["max", "min"]
    mean: float
    std: float | None
    min: float
    max: float
    values: tuple[float, ...]
    interval: Interval | None
    """Covers seeds and examples; with one seed, examples only, and ``method`` says so. None where none is defined."""
    shown_beside: tuple[Interval, ...] = ()
    """Other intervals, for comparison; no claim uses them."""


class Comparison(Record):
    """Two candidates on the same examples, in one metric: whether the new one is better, and by how much."""

    metric: str
    difference: float
    """Of the means over seeds; positive where the new one is better, whichever direction the metric has."""
    standard_error: float | None
    """Over seeds and examples; None where nothing tells."""
    df: float | None
    """Satterthwaite's degrees of freedom of ``standard_error``."""
    p_value: float
    """One-sided: how likely so large a difference is where the new one is no better. 1 where nothing can be claimed."""
    interval: Interval | None
    """Of ``difference``, two-sided."""
    method: str
    """Name of the method, as documented in ``scoring.comparison``."""
    adjusted_p_value: float | None = None
    """Holm's, over as many comparisons as the search planned; None before it was adjusted."""

    def claims(self, level: float) -> bool:
        """Whether an improvement may be claimed at ``level``, 0.95 for instance, among all comparisons planned."""
        return self.adjusted_p_value is not None and self.adjusted_p_value <= 1 - level


class ClassReport(Record):
    """One class: rates from the confusion matrix summed over seeds, with intervals over seeds and examples.

    An interval is None where a seed never predicts the class, or fewer than two examples have it; and in journals of
    versions that wrote none. Its level is the score's, for one class alone: among many classes some miss by chance.
    """

    name: str
    support: int
    precision: float
    recall: float
    f1: float
    precision_interval: Interval | None = None
    recall_interval: Interval | None = None
    f1_interval: Interval | None = None


class Mistake(Record):
    """One class taken for another: off the diagonal of the confusion matrix, summed over seeds."""

    true: str
    predicted: str
    count: int
    rate: float
    """Of all predictions for examples of the true class."""
    interval: Interval | None = None
    """Of ``rate``, over seeds and examples."""


class CalibrationBin(Record):
    """Predictions whose largest probability lies above ``low`` and not above ``high``, over all seeds."""

    low: float
    high: float
    count: int
    confidence: float
    """Mean of the largest probability."""
    accuracy: float
    """Share of them that is right: equal to ``confidence`` where probabilities mean what they say."""
    interval: Interval
    """Of ``accuracy``: Wilson's, with all seeds' predictions of an example counted as one."""


class Score(Record):
    """A candidate measured on one split by trusted code."""

    split: Literal["validation", "test"]
    metric: str
    """Name of the goal's metric; its summary is ``metrics[metric]``."""
    metrics: dict[str, MetricSummary]
    n_seeds: int
    failed_seeds: int
    """They scored as the baseline predictor."""
    n_examples: int
    baseline: float
    """The goal's metric of the baseline predictor: majority class, or mean of the training targets."""
    classes: tuple[ClassReport, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    """Rows true, columns predicted, summed over seeds."""
    mistakes: tuple[Mistake, ...] = ()
    """The most frequent ones, most frequent first."""
    calibration: tuple[CalibrationBin, ...] = ()
    """Bins that hold predictions, in order."""

    @property
    def primary(self) -> MetricSummary:
        return self.metrics[self.metric]


# ---- baselines ---------------------------------------------------------------------------------------------------


class BaselineResult(Record):
    """What became of one scikit-learn baseline. Exactly one of ``failure`` and ``score`` is set."""

    name: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
    """Names its folder, too."""
    label: str
    failure: str = ""
    fit_s: float
    """Wall time of fitting and predicting beside the search, at the lowest priority."""
    digests: dict[Literal["validation", "test"], str] = {}
    """Split -> SHA-256 of its predictions: float32 N x C, rows in the data set's own order."""
    score: Score | None = None
    """On validation."""

    def envelope(self, split: Literal["validation", "test"]) -> Envelope:
        """Its predictions as those of a candidate with one seed, which is what a deterministic fit is."""
        return Envelope(
            source_digest="", seeds=(SeedResult(seed=0, predictions_digest=self.digests.get(split)),), rooms=()
        )


class Baselines(Record):
    """What plain scikit-learn reaches on the splits of a run, fitted on its training rows."""

    results: tuple[BaselineResult, ...]
    best: str | None
    """Name of the one with the best validation score; None where none was fitted."""

    def chosen(self) -> BaselineResult | None:
        return next((one for one in self.results if one.name == self.best), None)


class SealedBaseline(Record):
    """The best baseline on the sealed test set, measured at the same opening as the winner."""

    name: str
    label: str
    score: Score
    comparison: Comparison
    """The winner (new) with the baseline (old) on the same test examples: whether the network was worth it."""


class Verdict(StrEnum):
    KEEP = "keep"
    DISCARD = "discard"


class StopReason(StrEnum):
    GOAL_MET = "goal_met"
    """The lower confidence bound on validation reached the target."""
    ITERATIONS = "iterations"
    BUDGET = "budget"
    EXHAUSTED = "exhausted"
    """The planner has nothing more to propose."""


class Decision(Record):
    verdict: Verdict
    reason: str
    """One sentence for people."""
    stop: StopReason | None = None
    comparison: Comparison | None = None
    """With the incumbent, on validation; None for the first candidate, and where nothing was compared."""


class Iteration(Record):
    """One completed step of the search, as planners and reports see it."""

    number: Annotated[int, Field(ge=1)]
    plan: Plan
    source_digest: str
    files: dict[str, str] = {}
    """Other files of the iteration's folder -> SHA-256: plan, outcome, log."""
    envelope: Envelope
    score: Score | None
    """On validation; None where every seed failed."""
    decision: Decision
