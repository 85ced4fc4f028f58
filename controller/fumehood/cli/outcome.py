"""How a run ended, for people and for programs, and as an exit code."""

import sys
from dataclasses import asdict
from typing import Any

from fumehood.cli import emit
from fumehood.cli.view import print_summary, progress_for
from fumehood.progress import Progress
from fumehood.records import Run, Score, StopReason
from fumehood.report import spending
from fumehood.session import Session

NOT_MET, NO_SURVIVOR, BUDGET = 1, 3, 5


def watcher(*, as_json: bool, verbose: bool) -> Progress:
    """Who tells the user on stderr how it goes."""
    return progress_for(sys.stderr, json=as_json, verbose=verbose)


def exit_code(run: Run) -> int:
    """0 goal met or no target set; 1 not met; 3 no candidate survived; 5 a budget ran out first."""
    if run.goal_achieved:
        return 0
    if run.stopped_because is StopReason.BUDGET:
        return BUDGET
    if run.final is None:
        return NO_SURVIVOR
    return 0 if run.settings.goal.target is None else NOT_MET


def tell(done: Session, *, as_json: bool, only_look: bool = False) -> int:
    """Print the outcome, as far as the watcher has not, and return the exit code; only looking is never a failure."""
    code = 0 if only_look and done.run.finished_at is None else exit_code(done.run)
    if as_json:
        emit({**document(done), "exit_code": code})
    elif only_look:
        print_summary(done.run, done.directory.path, sys.stderr)
    return 0 if only_look else code


def document(done: Session) -> dict[str, Any]:
    """The JSON document of ``fumehood run``."""
    run = done.run
    return {
        "goal_achieved": run.goal_achieved,
        "run_dir": str(done.directory.path),
        "stopped_because": run.stopped_because.value if run.stopped_because else None,
        "iterations": [
            {
                "number": iteration.number,
                "family": iteration.plan.family,
                "title": iteration.plan.title,
                "decision": iteration.decision.verdict.value,
                "reason": iteration.decision.reason,
                "failure": failure.model_dump(mode="json") if (failure := iteration.envelope.failure) else None,
                "score": _score(iteration.score) if iteration.score else None,
            }
            for iteration in run.iterations
        ],
        "journal_head": run.head,
        "final": _score(run.final.score) | {"opening": run.final.opening} if run.final else None,
        "baselines": _baselines(run) if run.baselines else None,
        "spending": [asdict(row) for row in spending.rows(run)] or None,
    }


def _baselines(run: Run) -> dict[str, Any]:
    """What plain scikit-learn reaches; ``test`` and ``comparison`` (winner less baseline) are those of the best one."""
    known, tested = run.baselines, run.baseline_final
    return {
        "results": [
            {
                "name": one.name,
                "label": one.label,
                "failure": one.failure or None,
                "validation": _score(one.score) if one.score else None,
            }
            for one in (known.results if known else ())
        ],
        "best": known.best if known else None,
        "test": _score(tested.score) if tested else None,
        "comparison": tested.comparison.model_dump(mode="json") if tested else None,
    }


def _score(score: Score) -> dict[str, Any]:
    primary = score.primary
    interval = primary.interval
    return {
        "metric": score.metric,
        "mean": primary.mean,
        "interval": [interval.low, interval.high] if interval else None,
        "split": score.split,
        "n_seeds": score.n_seeds,
    }
