"""A whole run: what was asked for, how every candidate is repeated, and everything that the journal says came of it."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from fumehood.records.base import Record
from fumehood.records.candidate import Call, Envelope
from fumehood.records.insight import Recollection, Remembered
from fumehood.records.judgement import Baselines, Iteration, Score, SealedBaseline, StopReason
from fumehood.records.question import Dataset, Goal, GoalDraft
from fumehood_shared import caps


class LlmSettings(Record):
    """What a journal may say about who is asked. No key is in it."""

    model: str
    """Full name: ``provider/name``."""
    base_url: str | None = None
    """None where only LiteLLM knows the provider's address."""
    fallback_model: str | None = None
    """Full name of who is asked where the first does not answer."""
    fallback_base_url: str | None = None
    timeout_s: Annotated[float, Field(gt=0)] = 300.0
    """Of one try, from its first byte to its last."""
    max_retries: Annotated[int, Field(ge=0, le=20)] = 4
    """More tries of one question, where a server was busy or could not be reached."""
    backoff_s: Annotated[float, Field(ge=0)] = 1.0
    """About the first wait before another try, where the server asks for none; each is up to twice the one before."""
    budget_usd: Annotated[float, Field(gt=0)] | None = None
    """None is no limit."""
    budget_tokens: Annotated[int, Field(gt=0)] | None = None
    """Of questions and answers together; None is no limit."""


class RunSettings(Record):
    """What the user asked for, as resolved at the start; a resumed run uses these and no others."""

    name: str
    goal: Goal
    """Provisional until the data are prepared: only then the task, and with it the metric, is known."""
    draft: GoalDraft | None = None
    """What was read in the goal's text; None in journals of versions that read it again."""
    metric: str | None = None
    """As asked for beside the goal's text; wins over it."""
    target: float | None = None
    """Likewise, as written: 95 and 0.95 are the same accuracy."""
    data: str
    planner: Literal["search", "llm"]
    max_iterations: int
    num_seeds: int
    seed: int
    """Drives the planner and, through it, the candidates' seeds."""
    split_seed: int
    subset: Annotated[int, Field(ge=caps.SMALLEST_SUBSET)] | None = None
    """So many rows of the data set, each class in its proportion; None is all of them."""
    splits: str = "holdout"
    """How training and validation rows are divided: ``holdout``, or ``kfold:K`` (``data.folds``)."""
    policy: str
    """Name of the policy; its full text is in the journal."""
    confidence_level: float = 0.95
    budget_minutes: float | None = None
    timeout_s: float | None = None
    """Wall time of one train room, where it is tighter than the policy's; None leaves the policy's."""
    llm: LlmSettings | None = None
    """Who plans and writes where ``planner`` is llm; None for a search."""
    llm_replay: bool = False
    """Whether its answers are those of a transcript."""
    max_repairs: Annotated[int, Field(ge=0)] = 3
    """How many times in a row a language model may try to repair a candidate."""
    memory: str | None = None
    """Namespace of the memory that is looked into and added to; None is research without memory."""
    gpus: tuple[str, ...] = ()
    """UUIDs of the GPUs, or MIG instances, that train and predict rooms are given; none: the CPU."""
    metrics: tuple[str, ...] | None = None
    """Those that are measured beside the goal's; None is all that the task has."""
    by_class: bool = True
    """Whether classes, mistakes and calibration are looked at one by one."""
    overrides: dict[str, Any] = Field(default={})
    """Recipe fields that the user set; they win over every candidate's own."""
    parallel: Annotated[int, Field(ge=1)] = 1
    """How many candidates are under way at once."""
    keep: bool = True
    """False: of a finished run only reports, journal and winner stay."""

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        return "cuda" if self.gpus else "cpu"

    @property
    def design(self) -> "Design":
        return Design(
            metric=self.goal.metric,
            seeds=Design.repetitions(2 * self.seed, self.num_seeds),
            fresh_seeds=Design.repetitions(2 * self.seed + 1, self.num_seeds),
            confidence_level=self.confidence_level,
            device=self.device,
            metrics=self.metrics,
            by_class=self.by_class,
            overrides=self.overrides,
            parallel=self.parallel,
        )


class Design(Record):
    """How every candidate is repeated and measured: the design of the experiment."""

    metric: str
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    fresh_seeds: tuple[int, ...] = ()
    """Other seeds, for the finalists: none of them has had a part in choosing a candidate."""
    confidence_level: float
    device: Literal["cpu", "cuda"]
    metrics: tuple[str, ...] | None = None
    """Measured beside ``metric``; None is all that the task has."""
    by_class: bool = True
    overrides: dict[str, Any] = Field(default={})
    """Recipe fields that win over a candidate's own."""
    parallel: Annotated[int, Field(ge=1)] = 1
    """How many candidates the machine's CPUs are shared among, whether or not so many are under way at a moment: the
    number of a candidate's threads, which decides about last digits, follows from it."""

    @staticmethod
    def repetitions(seed: int, count: int) -> tuple[int, ...]:
        """``count`` seeds that ``seed`` leads to; another ``seed`` leads to others."""
        return tuple(range(seed * count, (seed + 1) * count))


class ImageFact(Record):
    """The sandbox image that rooms ran from, as the engine reported it."""

    tag: str
    image_id: str
    base: str
    """Reference of the base image, with its digest where a registry gave one."""
    base_digest: str


class Remeasured(Record):
    """A finalist trained again, on fresh seeds, each of which had rooms of its own."""

    iteration: int
    envelope: Envelope
    score: Score | None
    """On validation; None where every seed failed."""


class Sealed(Record):
    """The one measurement on the sealed test set."""

    iteration: int
    """The winner's."""
    score: Score
    opening: int
    """How many times this user has opened a seal on these very test rows, this time included."""
    test_digest: str


class Run(Record):
    """Everything the journal says about a run: what reports are made from, and what ``resume`` goes on from."""

    run_id: str
    started_at: str
    """UTC, ISO 8601."""
    finished_at: str | None = None
    settings: RunSettings
    image: ImageFact | None = None
    dataset: Dataset | None = None
    iterations: Annotated[Sequence[Iteration], AfterValidator(tuple)] = ()
    """In the order of their numbers, which begin with 1."""
    incumbent: int | None = None
    """Number of the iteration that is kept as the best so far; None before the first keep."""
    remeasured: tuple[Remeasured, ...] = ()
    """The finalists on fresh seeds."""
    settled: bool = False
    """Whether the winner was chosen among the finalists."""
    winner: int | None = None
    """Number of its iteration; None before, and where no finalist survived its fresh seeds."""
    stopped_because: StopReason | None = None
    calls: tuple[Call, ...] = ()
    """Every question to a language model, in their order."""
    recollections: tuple[Recollection, ...] = ()
    """Every look into the memory, in their order."""
    remembered: Remembered | None = None
    """What the memory was given at the end; None before, and without memory."""
    abandoned: tuple[int, ...] = ()
    """Numbers of the candidates that were under way when the search stopped: nothing is decided about them."""
    final: Sealed | None = None
    baselines: Baselines | None = None
    """None until the search is over, and in journals of versions that fitted none."""
    baseline_final: SealedBaseline | None = None
    goal_achieved: bool | None = None
    """None while running, and where the goal has no target."""
    resumed: int = 0
    """How many times the run was resumed."""
    versions: dict[str, str] = Field(default={})
    head: str = ""
    """Hash of the journal's line that this is derived from; with it noted elsewhere, a journal cannot be cut unseen."""

    def best(self) -> Iteration | None:
        """The iteration of the winner, or of the incumbent as long as none was chosen; None without either."""
        number = self.winner if self.settled else self.incumbent
        return None if number is None else next(iter(self.iterations[number - 1 : number]), None)

    def winning(self) -> Envelope | None:
        """What the sealed test is measured with: the winner on fresh seeds. None before it is chosen."""
        return next((one.envelope for one in self.remeasured if one.iteration == self.winner), None)
