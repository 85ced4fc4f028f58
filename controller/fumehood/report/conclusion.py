"""What a run shows, in one sentence, and what that sentence does not say.

Pure. Judges nothing anew: ``Run.goal_achieved`` was decided from the interval on the sealed test set; here it is put
into words. The words hold the metric's name, so they pass the sink's escaping like any other text.
"""

from dataclasses import dataclass, replace
from typing import Literal

from fumehood.records import Iteration, MetricSummary, Run
from fumehood.report import words

Kind = Literal["met", "not_met", "not_shown", "measured", "unsealed", "no_survivor", "running"]


@dataclass(frozen=True)
class Conclusion:
    """``headline`` in two or three words, ``sentence`` with the numbers, ``notes`` on how far it carries."""

    kind: Kind
    headline: str
    sentence: str
    notes: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """Headline and sentence as one line for a terminal."""
        return f"{self.headline}: {self.sentence}"


def conclusion(run: Run) -> Conclusion:
    """The conclusion of ``run``, whatever state it is in."""
    found = _conclusion(run)
    return replace(found, notes=(*found.notes, f"{words.given_up(run.abandoned)}.")) if run.abandoned else found


def _conclusion(run: Run) -> Conclusion:
    if run.final is not None:
        return _measured(run, run.final.score.primary)
    if run.best() is not None:
        return _unsealed(run)
    if run.finished_at is None:
        done = words.counted(len(run.iterations), "iteration")
        return Conclusion("running", "Not finished", f"{done} so far, and no candidate is kept yet.")
    return _no_survivor(run)


def shrinkage(run: Run) -> float | None:
    """How much worse the winner is on the sealed test set than on validation, in the metric's units; above 0 is worse.

    None where either measurement is missing. Some shrinkage is expected: the winner was chosen for its validation
    score.
    """
    won = winner(run)
    if run.final is None or won is None or won.score is None:
        return None
    seen, sealed = won.score.primary, run.final.score.primary
    return seen.mean - sealed.mean if sealed.direction == "max" else sealed.mean - seen.mean


def opening_note(run: Run) -> str:
    """What the number of openings of the seal means for the result; empty before the seal was opened."""
    if run.final is None:
        return ""
    n = run.final.opening
    if n == 1:
        return "This was the first time that this user opened the seal on these test rows, so the result is unspent."
    return (
        f"This was opening number {n} of the seal on these test rows by this user. Whoever chooses among runs by "
        f"looking at their test results fits the test set a little each time, so the interval is too optimistic by an "
        f"unknown amount; fresh test rows (another split seed on data not yet looked at) would settle it."
    )


def public_labels(run: Run) -> bool:
    """Whether the data set ships with a public library, so that its labels are known to the world."""
    spec = (run.dataset.spec if run.dataset else run.settings.data).split("#")[0].strip()
    scheme, colon, _ = spec.partition(":")
    return (not colon and "/" not in spec and "." not in spec) or (bool(colon) and scheme == "builtin")


def _measured(run: Run, found: MetricSummary) -> Conclusion:
    target = run.settings.goal.target
    shown = f"{words.label(found.name)} on the sealed test is {_estimate(found, target)}"
    notes = (*_target_notes(run, found), *_seed_notes(run), opening_note(run))
    if target is None:
        return Conclusion("measured", "Measured", f"{shown}; no target was set.", notes)
    aim = f"target {words.number(target)}"
    if run.goal_achieved:
        return Conclusion("met", "Goal met", f"{shown}, {aim}.", notes)
    if _misses_wholly(found, target):
        return Conclusion("not_met", "Goal not met", f"{shown}, {aim}.", notes)
    return Conclusion("not_shown", "Not shown", f"{shown}, {aim}.", notes)


def _estimate(found: MetricSummary, target: float | None) -> str:
    """``mean [low, high]``, precise enough that rounding moves nothing across the target."""
    if target is None:
        return words.estimate(found)
    mean = words.apart(found.mean, target)
    if found.interval is None:
        return mean
    return f"{mean} [{words.apart(found.interval.low, target)}, {words.apart(found.interval.high, target)}]"


def _target_notes(run: Run, found: MetricSummary) -> tuple[str, ...]:
    target = run.settings.goal.target
    if target is None or found.interval is None:
        return ()
    side = "lower" if found.direction == "max" else "upper"
    claim = f"The goal counts as met when the {side} bound of the {words.level(found.interval)} interval reaches {{}}."
    aim = words.number(target)
    if run.goal_achieved:
        return (claim.format(aim),)
    if _misses_wholly(found, target):
        return (claim.format(aim), "Here the whole interval falls short of the target.")
    if _reaches(found.mean, target, found.direction):
        return (claim.format(aim), "Here the mean reaches it and the bound does not, so chance is not ruled out.")
    return (claim.format(aim), "Here the interval contains the target, so the data settle it neither way.")


def _seed_notes(run: Run) -> tuple[str, ...]:
    if run.final is None:
        return ()
    score = run.final.score
    notes = []
    if score.n_seeds == 1:
        notes.append("One seed only: the interval speaks of the examples, and says nothing about other seeds.")
    if score.failed_seeds:
        failed = words.counted(score.failed_seeds, "seed")
        notes.append(f"{failed} of the winner failed and scored as the baseline predictor.")
    return tuple(notes)


def _unsealed(run: Run) -> Conclusion:
    best = run.best()
    if best is None or best.score is None:
        return _no_survivor(run)
    kept = f"iteration {best.number} leads on validation with {words.label(best.score.metric)}"
    sentence = f"{kept} {words.estimate(best.score.primary)}; the sealed test set is unopened."
    note = "A validation score of the candidate that was chosen for it is optimistic. It is no result."
    if run.finished_at is None:
        return Conclusion("running", "Not finished", sentence, (note,))
    return Conclusion("unsealed", "Not measured", sentence, (note,))


def _no_survivor(run: Run) -> Conclusion:
    if not run.iterations:
        return Conclusion("no_survivor", "No result", "the run ended before its first candidate was evaluated.")
    tried = words.counted(len(run.iterations), "candidate")
    none = "none of the best survived its fresh seeds" if run.remeasured else "none kept"
    sentence = f"{tried} tried, {none}, and the sealed test set is unopened."
    return Conclusion("no_survivor", "No candidate survived", sentence)


def _reaches(value: float, target: float, direction: str) -> bool:
    return value >= target if direction == "max" else value <= target


def _misses_wholly(found: MetricSummary, target: float) -> bool:
    best = found.mean
    if found.interval is not None:
        best = found.interval.high if found.direction == "max" else found.interval.low
    return not _reaches(best, target, found.direction)


def winner(run: Run) -> Iteration | None:
    """The iteration that was measured on the sealed test set; before that, the incumbent; None without either."""
    if run.final is None:
        return run.best()
    return next((i for i in run.iterations if i.number == run.final.iteration), None)
