"""Fumehood from Python: a run as a call, with the names that people coming from PyTorch Researcher know.

    from fumehood import AgentOrchestrator, QuickEvalConfig, assemble_from_config

    config = QuickEvalConfig(dataset_name="digits", num_seeds=5, target_accuracy=0.95)
    found = AgentOrchestrator(max_iterations=5, eval_config=config).run(goal="Classify handwritten digits")
    print(found["goal_achieved"], found["final_eval"]["accuracy"])

A language model leads the research where one is named (``llm_model``, ``llm_base_url``, or the environment's
``FUMEHOOD_LLM_MODEL``), else the built-in search does. Nothing is printed, and errors are those of ``fumehood.errors``.
What runs, runs in rooms, as from the command line.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, field_validator

from fumehood import session
from fumehood.errors import UsageError
from fumehood.policy import explain
from fumehood.progress import Progress, SilentProgress
from fumehood.records import Record, Run
from fumehood.scoring.metrics import find
from fumehood_shared import caps
from fumehood_shared.messages import Recipe

if TYPE_CHECKING:
    from fumehood.memory.context import ManualMemoryContextManager
    from fumehood.mind import Mind


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
    """This and the two below win over every candidate's RECIPE. A candidate that brings its own ``train`` is told them
    and may do otherwise, which reports say."""
    batch_size: Annotated[int, Field(ge=1)] | None = None
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    random_seed: Annotated[int, Field(ge=0, le=2**31)] = 0
    """Drives planner and candidates. The split has a seed of its own, which stays 0."""
    target_accuracy: float | None = None
    """Target of the goal's metric; 0.95 and 95 are the same accuracy."""
    metrics_to_track: tuple[str, ...] | None = None
    """Metrics measured beside the goal's, by name or alias, all of the data set's task; None is all that it has."""
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
        llm_base_url: str | None = None,
        llm_model: str | None = None,
        max_iterations: int = 10,
        *,
        llm_api_key: str | None = None,
        llm_fallback_model: str | None = None,
        llm_timeout_s: float | None = None,
        llm_replay: str | Path | None = None,
        planner: Literal["auto", "llm", "search"] = "auto",
        max_repairs: int = 3,
        budget_usd: float | None = None,
        budget_tokens: int | None = None,
        memory: bool | None = None,
        memory_manager: "ManualMemoryContextManager | None" = None,
        eval_config: QuickEvalConfig | None = None,
        metric: str | None = None,
        policy: str = "standard",
        gpus: str | None = None,
        parallel: int | Literal["auto"] = 1,
        split_seed: int = 0,
        splits: str = "holdout",
        timeout_s: float | None = None,
        budget_minutes: float | None = None,
        progress: Progress | None = None,
    ) -> None:
        """``progress``: who watches; nobody by default. ``llm_api_key``: None is the environment's. ``memory``: whether
        runs look into what earlier ones found out, and add to it; None is as ``FUMEHOOD_MEMORY`` says, and yes without
        it. ``memory_manager``: the memory to use, of a class of yours if you like. The others are the options of
        ``fumehood run``.
        """
        if max_iterations < 1:
            raise UsageError(f"max_iterations is {max_iterations}", "it has to be at least 1")
        self._config = eval_config or QuickEvalConfig()
        self._progress = progress or SilentProgress()
        self._planner, self._llm_api_key, self._replay = planner, llm_api_key, llm_replay
        self._llm: dict[str, Any] = {
            "model": llm_model,
            "base_url": llm_base_url,
            "fallback": llm_fallback_model,
            "timeout_s": llm_timeout_s,
            "budget_usd": budget_usd,
            "budget_tokens": budget_tokens,
        }
        self._remembers = memory_manager is not None if memory is None and memory_manager else memory
        self.memory_manager = memory_manager
        self._asked: dict[str, Any] = {
            "max_iterations": max_iterations,
            "metric": metric,
            "policy": policy,
            "gpus": gpus,
            "parallel": parallel,
            "split_seed": split_seed,
            "splits": splits,
            "timeout_s": timeout_s,
            "budget_minutes": budget_minutes,
            "max_repairs": max_repairs,
        }

    def initialize_memory_manager(self) -> "ManualMemoryContextManager":
        """The memory that runs look into: the one that was given, else the user's own, opened when it is first used."""
        from fumehood.memory.context import ManualMemoryContextManager

        if self.memory_manager is None:
            self.memory_manager = ManualMemoryContextManager()
        return self.memory_manager

    def run(
        self, *, goal: str, workdir: str | Path | None = None, keep_artifacts: bool = True, name: str | None = None
    ) -> dict[str, Any]:
        """Research from ``goal`` to the sealed measurement, in the new directory ``workdir`` (``run_TIMESTAMP`` here).

        ``goal_achieved`` (None without a target), ``final_eval`` (mean of every metric by name, with ``undefined``
        (metrics that the test rows do not define, each with the reason), ``interval``, ``n_seeds`` and ``split``; None
        where no candidate survived), ``iterations``, ``memory_insights`` (what the run found out, as dicts; empty
        without memory), ``run_dir``.
        """
        config = self._config
        tracked = config.metrics_to_track
        remembers = session.remembers() if self._remembers is None else self._remembers
        manager = self.initialize_memory_manager() if remembers else None
        mind = self._mind()
        settings = session.settings(
            goal,
            data=config.dataset_name,
            name=name,
            planner=self._planner,
            mind=mind,
            memory=manager.namespace if manager else None,
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
        means = session.Means(manager=manager, mind=mind, order_key=mind.order_key() if mind else None)
        done = session.start(settings, None if workdir is None else str(workdir), self._progress, means)
        return {
            "goal_achieved": done.run.goal_achieved,
            "final_eval": _final(done.run),
            "iterations": [iteration.model_dump(mode="json") for iteration in done.run.iterations],
            "memory_insights": _insights(done.run),
            "run_dir": str(done.directory.path),
        }

    def _mind(self) -> "Mind | None":
        from fumehood.llm import settings as configured
        from fumehood.mind import opened

        if self._replay is not None:
            if self._llm["model"] or self._llm["base_url"]:
                what = "a transcript gives all answers, and a language model is named beside it"
                raise UsageError(what, "leave out one of the two")
            budgets = {name: self._llm[name] for name in ("budget_usd", "budget_tokens")}
            return opened(self._planner, None, configured.Keys(), Path(self._replay), **budgets)
        found = configured.settings(**self._llm, environment=os.environ)
        if found is None or self._planner == "search":
            return None
        return opened(self._planner, found, configured.keys(found, environment=os.environ, flag=self._llm_api_key))


def _insights(run: Run) -> list[dict[str, Any]]:
    if run.settings.memory is None:
        return []
    from fumehood.memory.distill import distill

    return [one.model_dump(mode="json") for one in distill(run)]


def assemble_from_config(
    model_config: Mapping[str, Any],
    output_path: str | Path,
    use_llm: bool = True,
    llm_kwargs: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write the source of the candidate that ``model_config`` describes to ``output_path``. Nothing of it is run.

    ``model_config``: ``class_name``, ``input_shape``, ``num_outputs``, ``layers``, and ``architecture``, words for the
    language model. ``llm_kwargs``: ``base_url``, ``model_name``, ``max_retries``, ``retry_backoff`` (seconds); what is
    missing is the environment's. Returns ``path``, ``via`` ("llm" or "template"), ``source``, ``attempts`` (questions
    put to the model) and ``reason`` (why the template was used, empty where it was not). Raises AssemblyError for a
    configuration that does not fit together, and LlmError where a configured model does not answer.
    """
    from fumehood import mind
    from fumehood.assembly import from_config

    return dict(
        from_config.assemble_from_config(model_config, output_path, use_llm, llm_kwargs, factory=mind.for_assembly)
    )


def _final(run: Run) -> Mapping[str, Any] | None:
    if run.final is None:
        return None
    score = run.final.score
    interval = score.primary.interval
    return {
        **{name: summary.mean for name, summary in score.metrics.items()},
        "undefined": score.undefined,
        "metric": score.metric,
        "interval": None if interval is None else [interval.low, interval.high],
        "n_seeds": score.n_seeds,
        "split": score.split,
    }
