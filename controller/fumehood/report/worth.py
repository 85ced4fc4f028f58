"""Is the network worth it: the winner beside what plain scikit-learn reaches on the same splits, in words. Pure."""

from fumehood.records import Baselines, Run, SealedBaseline
from fumehood.report import words


def line(run: Run) -> str:
    """One sentence for a terminal and the head of a report; empty where no baseline was fitted.

    The interval of the difference decides what is said: better or worse where 0 lies outside of it.
    """
    if run.baseline_final is not None:
        return _on_test(run.baseline_final)
    return _on_validation(run.baselines) if run.baselines is not None else ""


def _on_test(best: SealedBaseline) -> str:
    found, scored = best.comparison, best.score.primary
    reached = (
        f"the best scikit-learn model on validation, {best.label}, reaches {words.number(scored.mean)} on the test"
    )
    gap = abs(found.difference)
    interval = f" (difference {words.number(found.difference)}"
    interval += f", {words.level(found.interval)} interval {words.interval(found.interval)})" if found.interval else ")"
    if found.interval is not None and found.interval.low > 0:
        return f"Worth it: {reached}, and the winner is better by {words.number(gap)}{interval}."
    if found.interval is not None and found.interval.high < 0:
        return f"Not worth it: {reached}, and the winner is worse by {words.number(gap)}{interval}."
    return f"Not shown to be worth it: {reached}, and the winner cannot be told from it{interval}."


def _on_validation(baselines: Baselines) -> str:
    best = baselines.chosen()
    if best is None or best.score is None:
        return "No scikit-learn baseline could be fitted, so nothing says whether a network is worth it."
    reached = f"{words.label(best.score.metric)} {words.number(best.score.primary.mean)}"
    return f"The best scikit-learn model, {best.label}, reaches {reached} on validation."
