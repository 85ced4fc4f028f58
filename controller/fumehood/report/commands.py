"""The commands that repeat a run, go on with it and use its winner, as lists of arguments.

Pure. All but ``repeat`` are written for a shell whose current directory is the run's own; quoting is ``shlex``'s. A
test has the program parse each of them as it is printed.
"""

import shlex
from collections.abc import Sequence

from fumehood.records import LlmSettings, Run, RunSettings
from fumehood.text import plain

RESUME = ("fumehood", "resume", ".")
LONGEST = 100_000
"""Characters of a command as text: more than the longest goal needs, every character of it quoted. A command that was
cut would be another command."""
REPORT = ("fumehood", "report", ".")
_FILES = ("csv", "parquet", "jsonl", "npz")


def repeat(run: Run) -> tuple[str, ...]:
    """The same research again: same question, data, splits, seeds, policy and GPUs, into a new directory."""
    asked = run.settings
    wanted: list[tuple[str, object]] = [
        ("--goal", asked.goal.text),
        ("--data", asked.data),
        ("--planner", asked.planner),
        ("--max-iterations", asked.max_iterations),
        ("--num-seeds", asked.num_seeds),
        ("--seed", asked.seed),
        ("--split-seed", asked.split_seed),
        ("--splits", asked.splits),
        ("--confidence-level", asked.confidence_level),
        ("--policy", asked.policy),
        ("--parallel", asked.parallel),
        ("--gpus", ",".join(asked.gpus) or "none"),
        *_optional(asked),
    ]
    words = [word for name, value in wanted for word in (name, str(value))]
    return ("fumehood", "run", *words, *(() if asked.memory else ("--no-memory",)))


def predict(run: Run) -> tuple[str, ...]:
    """The winner on new rows, in a file of the kind that it learned from."""
    scheme = run.settings.data.strip().partition(":")[0]
    kind = scheme if scheme in _FILES else "csv"
    return ("fumehood", "predict", ".", "--data", f"{kind}:NEW_ROWS.{kind}", "--output", "predictions.csv")


def shell(arguments: Sequence[str]) -> str:
    """The command as one line to paste; characters that a terminal must not see are shown replaced."""
    return plain(shlex.join(arguments), limit=LONGEST)


def _optional(asked: RunSettings) -> list[tuple[str, object]]:
    """What was asked for beside the goal's own words, which say the rest again."""
    options = [
        ("--subset", asked.subset),
        ("--metric", asked.metric),
        ("--target-accuracy", asked.target),
        ("--budget-minutes", asked.budget_minutes),
        ("--timeout", asked.timeout_s),
        *_language_model(asked.llm if asked.llm and not asked.llm_replay else None),
        ("--memory-namespace", asked.memory),
    ]
    return [(name, value) for name, value in options if value is not None]


def _language_model(asked: LlmSettings | None) -> list[tuple[str, object]]:
    """Who was asked; the answers of then are in ``logs/llm.jsonl``."""
    if asked is None:
        return []
    return [
        ("--llm-model", asked.model),
        ("--llm-base-url", asked.base_url),
        ("--llm-fallback-model", asked.fallback_model),
        ("--llm-timeout", asked.timeout_s),
        ("--budget-usd", asked.budget_usd),
        ("--budget-tokens", asked.budget_tokens),
    ]
