"""A candidate: the plan of it, what its rooms brought back, and what it cost to have a language model asked."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from fumehood.records.base import Record
from fumehood.records.question import Move, Phase
from fumehood_shared.messages import (
    Failure,
    WorkerReport,
)


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
    params: dict[str, Any] = Field(default={})
    move: Move = "draft"
    parent: int | None = None
    """Number of the iteration that an improvement or a fix begins from."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True, serialize_by_alias=True
    )


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
