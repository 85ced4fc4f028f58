"""Judgement: intervals, metrics, scores, comparisons, decisions, and scikit-learn's baselines beside them."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from fumehood.records.base import Record
from fumehood.records.candidate import Envelope, Plan, SeedResult


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
    """Of ``accuracy``, over seeds and examples; Wilson's, with all seeds' predictions of an example counted as one, for
    a bin that holds none of a seed's, or one example alone."""


class Score(Record):
    """A candidate measured on one split by trusted code."""

    split: Literal["validation", "test"]
    metric: str
    """Name of the goal's metric; its summary is ``metrics[metric]``."""
    metrics: dict[str, MetricSummary]
    undefined: dict[str, str] = Field(default={})
    """Metrics that were to be measured and that the split does not define, each with the reason; empty, too, in
    journals of versions that wrote none."""
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


class BaselineResult(Record):
    """What became of one scikit-learn baseline. Exactly one of ``failure`` and ``score`` is set."""

    name: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
    """Names its folder, too."""
    label: str
    failure: str = ""
    fit_s: float
    """Wall time of fitting and predicting beside the search, at the lowest priority."""
    digests: dict[Literal["validation", "test"], str] = Field(default={})
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
    files: dict[str, str] = Field(default={})
    """Other files of the iteration's folder -> SHA-256: plan, outcome, log."""
    envelope: Envelope
    score: Score | None
    """On validation; None where every seed failed."""
    decision: Decision
