"""Starting, continuing and looking at a run: settings are resolved, the run directory and the engine are opened.

Everything that can be refused is refused before anything is made, in this order: goal, data specification, policy,
GPUs, run directory, engine (before the directory where --parallel auto has to ask it).
"""

import platform
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from typing import Any, Literal

from fumehood import __version__, floor, goal, policy, recorder, report, signing, text
from fumehood.assembly.author import TemplateAuthor
from fumehood.data import folds, specs
from fumehood.errors import Interrupted, UsageError
from fumehood.journal import fold, lines
from fumehood.planning.search import SearchPlanner
from fumehood.progress import Progress
from fumehood.recorder import Recorder
from fumehood.records import Goal, Run, RunSettings
from fumehood.research import Research
from fumehood.run_directory import RunDirectory
from fumehood.sandbox import budget, engine
from fumehood.sandbox import gpus as host_gpus
from fumehood.sandbox.host import open_host
from fumehood.sandbox.room import engine_errors
from fumehood.scoring.metrics import METRICS
from fumehood.signing import SigningKey

_NEEDED_LATER = ("scipy.special", "matplotlib.backends.backend_svg", "matplotlib.figure")
"""By the first score and by the report; in the order in which they are imported there."""
_PACKAGES = ("docker", "jinja2", "matplotlib", "numpy", "optuna", "pydantic", "scikit-learn", "scipy")


@dataclass(frozen=True)
class Session:
    """A run and where it lies."""

    run: Run
    directory: RunDirectory


def settings(
    goal_text: str,
    *,
    data: str | None,
    name: str | None,
    planner: str,
    policy: str,
    gpus: str | None = None,
    parallel: int | Literal["auto"] = 1,
    **rest: Any,
) -> RunSettings:
    """Resolve what the user asked for. Raises UsageError for a goal, data set or number that cannot be used.

    ``planner``: ``auto`` is the search planner, because no language model can be configured in this version.
    ``parallel``: ``auto`` is as many candidates as the engine's machine has room for now, which takes an engine.
    ``gpus``: see ``gpus.resolve``, which raises EngineError; None where the user said nothing.
    """
    for what, said in (("goal", goal_text), ("data specification", data), ("name", name)):
        if said is not None and not text.is_unicode(said):
            raise UsageError(f"the {what} is not valid Unicode text", "set a UTF-8 locale, or write it in ASCII")
    draft = goal.parse(goal_text, data=data, metric=rest["metric"], target=rest["target"])
    if draft.data is None:
        raise UsageError("no data set is named, neither by --data nor in the goal", "fumehood data list")
    limits = _load(policy)
    spec = specs.parse(draft.data, int(limits.raw_data))
    splits = rest.get("splits", folds.HOLDOUT)
    parallel = 1 if parallel == "auto" and folds.count(splits) else parallel
    folds.expect_possible(splits, spec, 1 if parallel == "auto" else parallel)
    metric = METRICS[draft.metric] if draft.metric else None
    provisional = Goal(
        text=draft.text,
        metric=metric.name if metric else "undecided",
        direction=metric.direction if metric else "max",
        target=draft.target,
        data=draft.data,
        max_parameters=draft.max_parameters,
    )
    if policy != limits.name:
        policy = str(Path(policy).resolve())
    uuids = host_gpus.resolve(gpus, limits)
    return RunSettings(
        name=name or " ".join(draft.text.split())[:60],
        goal=provisional,
        data=spec.text,
        planner="search" if planner == "auto" else planner,
        policy=policy,
        gpus=uuids,
        parallel=_room_for(limits, rest["num_seeds"], len(uuids)) if parallel == "auto" else parallel,
        **rest,
    )


def _room_for(limits: policy.Policy, seeds: int, gpus: int) -> int:
    """How many candidates the engine's machine can have under way."""
    _, client = engine.reach()
    with closing(client), engine_errors("looking for free memory and CPUs"):
        info = client.api.info()
        free = budget.free_bytes(client.api, int(info["MemTotal"]))
    each = sum(limits.limits(role).host_bytes for role in ("train", "predict"))
    return budget.candidates(free, each, int(info["NCPU"]), seeds, gpus)


def _load(name: str) -> policy.Policy:
    """A policy that this machine's floor allows."""
    return floor.enforce(policy.load(name), floor.read())


def start(settings: RunSettings, workdir: str | None, progress: Progress) -> Session:
    """Run research from the start, in a new directory."""
    limits = _load(settings.policy)
    path = Path(workdir) if workdir else Path(f"run_{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    key = signing.read()
    directory = RunDirectory.create(path)
    with recorder.begin(directory, settings, limits, versions(), key) as record:
        return _research(record, progress, key)


def go_on(path: Path, progress: Progress) -> Session:
    """Continue a run that was interrupted."""
    key = signing.read()
    with recorder.reopen(RunDirectory.open(path), key) as record:
        return _research(record, progress, key)


def look(path: Path) -> Session:
    """Rebuild a run from its journal and write its reports again."""
    directory = RunDirectory.open(path)
    run = fold(lines(directory.journal)).run
    report.write(run, directory.path)
    return Session(run, directory)


def _research(record: Recorder, progress: Progress, key: SigningKey | None) -> Session:
    planner = SearchPlanner(seed=record.run.settings.seed)
    try:
        with progress, open_host(record.policy, record.run.run_id, uuids=record.run.settings.gpus) as host:
            if key and not record.is_signed:
                progress.note("This run was begun without a signing key, and stays unsigned.")
            Thread(target=_load_ahead, name="load-ahead").start()
            try:
                Research(record, host, planner, TemplateAuthor(), progress).run()
            except BaseException:
                record.report_if_possible()
                raise
    except KeyboardInterrupt as stop:
        finished = record.run.finished_at is not None
        what = "the run is finished: fumehood report" if finished else "go on with the run: fumehood resume"
        raise Interrupted("interrupted", f"{what} {record.directory.path}") from stop
    return Session(record.run, record.directory)


def _load_ahead() -> None:
    """Import what is needed later, while the first rooms are at work. Who needs it tells what cannot be imported."""
    for name in _NEEDED_LATER:
        with suppress(Exception):
            import_module(name)


def versions() -> Mapping[str, str]:
    """Versions that a result may depend on."""
    found = {"fumehood": __version__, "python": platform.python_version()}
    return found | {name: version(name) for name in _PACKAGES}
