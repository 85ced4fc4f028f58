"""What the evidence of a run suggests to do next: each piece of advice names the numbers that it rests on. Pure.

Nothing is advised that the journal does not show; a run that shows nothing gets no advice.
"""

from collections import Counter
from collections.abc import Iterator
from math import sqrt
from statistics import NormalDist

from fumehood.records import MetricSummary, Run
from fumehood.report import words
from fumehood.report.conclusion import shrinkage
from fumehood_shared.messages import FailureKind

_LEVEL_AFTER = 5
"""So many candidates in a row without a better one mean that the search has levelled off."""
_REMEDIES = {
    FailureKind.OOM: "allow more memory with another policy, or bound the size of models in the goal",
    FailureKind.TIMEOUT: "allow more time with --timeout or another policy, or bound the size of models in the goal",
    FailureKind.NON_FINITE: "training diverged: lower learning rates are worth a try",
}


def advice(run: Run) -> tuple[str, ...]:
    """Sentences, the most consequential first."""
    return tuple(_advice(run))


def _advice(run: Run) -> Iterator[str]:
    if run.finished_at is None:
        return
    if run.final is not None:
        yield from _on_precision(run, run.final.score.primary)
        yield from _on_worth(run)
        yield from _on_shrinkage(run, run.final.score.primary)
        yield from _on_mistakes(run)
        yield from _on_openings(run.final.opening)
    yield from _on_progress(run)
    yield from _on_failures(run)


def _on_precision(run: Run, found: MetricSummary) -> Iterator[str]:
    """Which of the two sources of doubt is the larger, where the doubt decides."""
    score, target = run.final.score if run.final else None, run.settings.goal.target
    if score is None or found.interval is None or target is None:
        return
    if not found.interval.low < target < found.interval.high:
        return
    shown = f"The interval {words.interval(found.interval)} contains the target {words.number(target)}"
    if score.n_seeds == 1 or found.std is None:
        yield f"{shown}, and it rests on one seed: repeat the research with --num-seeds 3 or more."
        return
    whole = (found.interval.high - found.interval.low) / 2 / NormalDist().inv_cdf((1 + found.interval.level) / 2)
    seeds = found.std / sqrt(len(found.values))
    if seeds * sqrt(2) > whole:
        yield f"{shown}, mostly because seeds differ (standard deviation {words.number(found.std)}): use more of them."
    else:
        rows = words.counted(score.n_examples, "row")
        yield f"{shown}, mostly because there are only {rows} to test on: more data settle it, more seeds do not."


def _on_worth(run: Run) -> Iterator[str]:
    best = run.baseline_final
    if best is None or best.comparison.interval is None:
        return
    if best.comparison.interval.high < 0:
        gap = words.number(abs(best.comparison.difference))
        yield f"Use {best.label} instead: on the same test rows it is better by {gap}, and it costs less."
    elif best.comparison.interval.low <= 0:
        yield f"{best.label} cannot be told from the winner on the test rows, and it is the simpler model."


def _on_shrinkage(run: Run, found: MetricSummary) -> Iterator[str]:
    lost = shrinkage(run)
    if lost is None or found.interval is None:
        return
    if lost > (found.interval.high - found.interval.low) / 2:
        yield (
            f"The winner is worse by {words.number(lost)} on the sealed test than on validation, more than the "
            "interval explains: the search fitted the validation rows. Fewer iterations, or more validation rows, help."
        )


def _on_mistakes(run: Run) -> Iterator[str]:
    mistakes = run.final.score.mistakes if run.final else ()
    if mistakes and mistakes[0].rate >= 0.05:
        one = mistakes[0]
        share = f"{100 * one.rate:.0f}%"
        yield f"The most frequent mistake takes {one.true} for {one.predicted} ({share} of that class): look at them."


def _on_openings(opening: int) -> Iterator[str]:
    if opening > 1:
        yield f"These test rows were looked at {opening} times: report a result on rows that were not, with other data."


def _on_progress(run: Run) -> Iterator[str]:
    if run.incumbent is None or run.settings.max_iterations <= 1:
        return
    since = len(run.iterations) - run.incumbent
    kept = run.iterations[run.incumbent - 1]
    if since >= _LEVEL_AFTER:
        best = f"iteration {run.incumbent}"
        yield f"The last {since} candidates were no better than {best}: more of the same is unlikely to help."
    elif since == 0 and len(run.iterations) > 1 and run.goal_achieved is not True:
        yield f"The last candidate, {kept.plan.title}, was the best: more iterations may find better ones."


def _on_failures(run: Run) -> Iterator[str]:
    kinds = Counter(one.envelope.failure.kind for one in run.iterations if one.envelope.failure)
    for kind, count in kinds.most_common():
        if kind in _REMEDIES:
            of = words.counted(len(run.iterations), "candidate")
            yield f"{count} of {of} failed with {words.label(kind.value)}: {_REMEDIES[kind]}."
