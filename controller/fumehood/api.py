"""Fumehood from Python: a run as a call, with the names that people coming from PyTorch Researcher know.

    from fumehood import AgentOrchestrator, QuickEvalConfig

    config = QuickEvalConfig(dataset_name="digits", num_seeds=5, target_accuracy=0.95)
    found = AgentOrchestrator(max_iterations=5, eval_config=config).run(goal="Classify handwritten digits")
    print(found["goal_achieved"], found["final_eval"]["accuracy"])

Nothing is printed, and errors are those of ``fumehood.errors``. What runs, runs in rooms, as from the command line.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, field_validator

from fumehood import session
from fumehood.errors import UsageError
from fumehood.policy import explain
from fumehood.progress import Progress, SilentProgress
from fumehood.records import Record, Run
from fumehood.scoring.metrics import find
from fumehood_shared import caps
from fumehood_shared.messages import Recipe


class QuickEvalConfig(Record):
    """How candidates are evaluated. Every field is honoured; None leaves the choice to the goal, or to the candidate.

    Raises UsageError for a value that cannot be used, naming it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    dataset_name: str | None = None
    """A data specification, as after ``--data``: ``digits``, ``csv:houses.csv#target=price``."""
    num_seeds: Annotated[int, Field(ge=1, le=caps.SEEDS)] = 3
    subset_size: Annotated[int, Field(ge=caps.SMALLEST_SUBSET)] | None = None
    """Rows, each class in its proportion; None is all of them."""
    epochs: Annotated[int, Field(ge=1)] | None = None
    """This and the two below win over every candidate's own."""
    batch_size: Annotated[int, Field(ge=1)] | None = None
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    random_seed: Annotated[int, Field(ge=0, le=2**31)] = 0
    """Drives planner and candidates. The split has a seed of its own, which stays 0."""
    target_accuracy: float | None = None
    """Target of the goal's metric; 0.95 and 95 are the same accuracy."""
    metrics_to_track: tuple[str, ...] | None = None
    """Metrics measured beside the goal's, by name or alias; None is all that the task has."""
    enable_confusion_matrix: bool = True
    """With it come rates class by class, mistakes and calibration."""
    confidence_level: Annotated[float, Field(ge=0.5, lt=1)] = 0.95

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
            Recipe.model_validate(self.overrides)
        except ValidationError as error:
            raise UsageError(f"the evaluation's configuration cannot be used: {explain(error)}") from error

    @field_validator("metrics_to_track", mode="before")
    @classmethod
    def _named(cls, names: object) -> object:
        return tuple(names) if isinstance(names, list) else names

    @property
    def overrides(self) -> dict[str, Any]:
        """The fields of ``messages.Recipe`` that are set."""
        asked = {"epochs": self.epochs, "batch_size": self.batch_size, "lr": self.learning_rate}
        return {name: value for name, value in asked.items() if value is not None}


class AgentOrchestrator:
    """Research as ``fumehood run`` does it. Without a language model the built-in planner searches."""

    def __init__(
        self,
        max_iterations: int = 10,
        *,
        eval_config: QuickEvalConfig | None = None,
        metric: str | None = None,
        policy: str = "standard",
        gpus: str | None = None,
        parallel: int | Literal["auto"] = 1,
        split_seed: int = 0,
        timeout_s: float | None = None,
        budget_minutes: float | None = None,
        progress: Progress | None = None,
    ) -> None:
        """``progress``: who watches; nobody by default. The others are the options of ``fumehood run``."""
        if max_iterations < 1:
            raise UsageError(f"max_iterations is {max_iterations}", "it has to be at least 1")
        self._config = eval_config or QuickEvalConfig()
        self._progress = progress or SilentProgress()
        self._asked: dict[str, Any] = {
            "max_iterations": max_iterations,
            "metric": metric,
            "policy": policy,
            "gpus": gpus,
            "parallel": parallel,
            "split_seed": split_seed,
            "timeout_s": timeout_s,
            "budget_minutes": budget_minutes,
        }

    def run(
        self, *, goal: str, workdir: str | Path | None = None, keep_artifacts: bool = True, name: str | None = None
    ) -> dict[str, Any]:
        """Research from ``goal`` to the sealed measurement, in the new directory ``workdir`` (``run_TIMESTAMP`` here).

        ``goal_achieved`` (None without a target), ``final_eval`` (mean of every metric by name, with ``interval``,
        ``n_seeds`` and ``split``; None where no candidate survived), ``iterations``, ``run_dir``.
        """
        config = self._config
        tracked = config.metrics_to_track
        settings = session.settings(
            goal,
            data=config.dataset_name,
            name=name,
            planner="auto",
            target=config.target_accuracy,
            num_seeds=config.num_seeds,
            seed=config.random_seed,
            subset=config.subset_size,
            confidence_level=config.confidence_level,
            metrics=None if tracked is None else tuple(find(each).name for each in tracked),
            by_class=config.enable_confusion_matrix,
            overrides=config.overrides,
            keep=keep_artifacts,
            **self._asked,
        )
        done = session.start(settings, None if workdir is None else str(workdir), self._progress)
        return {
            "goal_achieved": done.run.goal_achieved,
            "final_eval": _final(done.run),
            "iterations": [iteration.model_dump(mode="json") for iteration in done.run.iterations],
            "run_dir": str(done.directory.path),
        }


def _final(run: Run) -> Mapping[str, Any] | None:
    if run.final is None:
        return None
    score = run.final.score
    interval = score.primary.interval
    return {
        **{name: summary.mean for name, summary in score.metrics.items()},
        "metric": score.metric,
        "interval": None if interval is None else [interval.low, interval.high],
        "n_seeds": score.n_seeds,
        "split": score.split,
    }
