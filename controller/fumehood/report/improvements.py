"""How the best candidate became better in the course of a run. Pure."""

from dataclasses import dataclass

from fumehood.records import MetricSummary, Run, Verdict


@dataclass(frozen=True)
class Improvement:
    number: int
    title: str
    rationale: str
    measured: MetricSummary
    """The goal's metric on validation."""
    gain: float | None
    """Over the best before it, in the metric's units, positive where better; None for the first."""
    claimed: bool
    """Whether the paired comparison holds after Holm's correction."""


def improvements(run: Run) -> tuple[Improvement, ...]:
    """Every candidate that was kept, in order."""
    found: list[Improvement] = []
    for one in run.iterations:
        if one.decision.verdict is not Verdict.KEEP or one.score is None:
            continue
        summary = one.score.primary
        gain = summary.mean - found[-1].measured.mean if found else None
        if gain is not None and summary.direction == "min":
            gain = -gain
        compared = one.decision.comparison
        claimed = compared is not None and compared.claims(run.settings.confidence_level)
        found.append(Improvement(one.number, one.plan.title, one.plan.rationale, summary, gain, claimed))
    return tuple(found)
