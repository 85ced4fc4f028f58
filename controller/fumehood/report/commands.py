"""The commands that repeat a run, go on with it and use its winner, as lists of arguments.

Pure. Written for a shell whose current directory is the run's own; quoting is ``shlex``'s. A test parses each of them.
"""

import shlex
from collections.abc import Sequence

from fumehood.records import Run, RunSettings
from fumehood.text import plain

RESUME = ("fumehood", "resume", ".")
REPORT = ("fumehood", "report", ".")
PREDICT = ("fumehood", "predict", ".", "--data", "csv:NEW_ROWS.csv", "--output", "predictions.csv")


def repeat(run: Run) -> tuple[str, ...]:
    """The same research again: same question, data, splits, seeds and policy, into a new directory."""
    asked = run.settings
    wanted: list[tuple[str, object]] = [
        ("--goal", asked.goal.text),
        ("--data", asked.data),
        ("--metric", asked.goal.metric),
        ("--planner", asked.planner),
        ("--max-iterations", asked.max_iterations),
        ("--num-seeds", asked.num_seeds),
        ("--seed", asked.seed),
        ("--split-seed", asked.split_seed),
        ("--policy", asked.policy),
        *_optional(asked),
    ]
    return ("fumehood", "run", *(word for name, value in wanted for word in (name, str(value))))


def shell(arguments: Sequence[str]) -> str:
    """The command as one line to paste; characters that a terminal must not see are shown replaced."""
    return plain(shlex.join(arguments), limit=4000)


def _optional(asked: RunSettings) -> list[tuple[str, object]]:
    options: list[tuple[str, object]] = []
    if asked.goal.metric == "accuracy" and asked.goal.target is not None:
        options.append(("--target-accuracy", f"{asked.goal.target:g}"))
    if asked.budget_minutes is not None:
        options.append(("--budget-minutes", f"{asked.budget_minutes:g}"))
    if asked.timeout_s is not None:
        options.append(("--timeout", f"{asked.timeout_s:g}"))
    if asked.device == "cuda":
        options.append(("--gpus", "1"))
    return options
