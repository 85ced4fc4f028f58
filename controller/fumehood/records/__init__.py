"""What the controller knows, as frozen values that go into the journal and come back out of it unchanged.

*Facts* come from the engine, the controller's clock and byte counts the controller made itself; *claims* are a room's
own story (``fumehood_shared.messages.WorkerReport``). The two are different types and nothing turns one into the
other. No I/O here.
"""

from fumehood.records.base import Record
from fumehood.records.candidate import Call, Envelope, Inspected, Plan, RoomFacts, SecondLook, SeedResult
from fumehood.records.judgement import (
    BaselineResult,
    Baselines,
    CalibrationBin,
    ClassReport,
    Comparison,
    Decision,
    Interval,
    Iteration,
    MetricSummary,
    Mistake,
    Score,
    SealedBaseline,
    StopReason,
    Verdict,
)
from fumehood.records.question import Dataset, Goal, GoalDraft, Move, Phase
from fumehood.records.run import (
    Design,
    ImageFact,
    LlmSettings,
    Remeasured,
    Run,
    RunSettings,
    Sealed,
)

__all__ = [
    "BaselineResult",
    "Baselines",
    "CalibrationBin",
    "Call",
    "ClassReport",
    "Comparison",
    "Dataset",
    "Decision",
    "Design",
    "Envelope",
    "Goal",
    "GoalDraft",
    "ImageFact",
    "Inspected",
    "Interval",
    "Iteration",
    "LlmSettings",
    "MetricSummary",
    "Mistake",
    "Move",
    "Phase",
    "Plan",
    "Record",
    "Remeasured",
    "RoomFacts",
    "Run",
    "RunSettings",
    "Score",
    "Sealed",
    "SealedBaseline",
    "SecondLook",
    "SeedResult",
    "StopReason",
    "Verdict",
]
