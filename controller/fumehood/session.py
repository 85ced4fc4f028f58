"""Starting, continuing and looking at a run: settings are resolved, the run directory and the engine are opened.

Everything that can be refused is refused before anything is made, in this order: goal, data specification, policy,
GPUs, run directory, engine (before the directory where --parallel auto has to ask it).
"""

import os
import platform
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal

from fumehood import __version__, floor, goal, policy, recorder, report, signing, text
from fumehood.assembly.author import TemplateAuthor
from fumehood.data import folds, seal, shelf, specs
from fumehood.data.shelf import Shelf
from fumehood.errors import Interrupted, LlmError, UsageError
from fumehood.experience import Experience, NoExperience, OnFirstUse
from fumehood.goal import language as goal_language
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

if TYPE_CHECKING:
    from fumehood.memory.context import ManualMemoryContextManager
    from fumehood.mind import Mind

_NEEDED_LATER = ("scipy.special", "matplotlib.backends.backend_svg", "matplotlib.figure")
"""By the first score and by the report; in the order in which they are imported there."""
MEMORY = "FUMEHOOD_MEMORY"
_PACKAGES = ("docker", "jinja2", "matplotlib", "numpy", "optuna", "pydantic", "scikit-learn", "scipy")


@dataclass(frozen=True)
class Session:
    """A run and where it lies."""

    run: Run
    directory: RunDirectory


@dataclass(frozen=True)
class Means:
    """What a run is given that no journal may hold: it has to be given again to whoever goes on with the run."""

    memory_db: str | None = None
    """Where the memory lies; see ``memory.address.resolve``."""
    manager: "ManualMemoryContextManager | None" = None
    """The memory itself, where somebody made one."""
    mind: "Mind | None" = None
    """The language model of a new run."""
    llm_api_key: str | None = None
    """Of the language model of a run that goes on, as this and the two below; else the environment's."""
    llm_api_key_file: Path | None = None
    llm_replay: Path | None = None
    order_key: bytes | None = None
    """Secret row orders of an earlier run, for a new one that is to repeat it."""


def remembers() -> bool:
    """Whether runs use the memory where nobody said so: yes, unless the environment says no."""
    return os.environ.get(MEMORY, "yes").strip().lower() not in ("0", "no", "off", "false", "n", "f")


def settings(
    goal_text: str,
    *,
    data: str | None,
    name: str | None,
    planner: str,
    policy: str,
    gpus: str | None = None,
    parallel: int | Literal["auto"] = 1,
    mind: "Mind | None" = None,
    **rest: Any,
) -> RunSettings:
    """Resolve what the user asked for. Raises UsageError for a goal, data set or number that cannot be used.

    ``planner``: ``auto`` is the language model where there is one, else the search.
    ``mind``: the language model, which also helps to read a goal that the rules cannot read.
    ``parallel``: ``auto`` is as many candidates as the engine's machine has room for now, which takes an engine.
    ``gpus``: see ``gpus.resolve``, which raises EngineError; None where the user said nothing.
    """
    for what, said in (("goal", goal_text), ("data specification", data), ("name", name)):
        if said is not None and not text.is_unicode(said):
            raise UsageError(f"the {what} is not valid Unicode text", "set a UTF-8 locale, or write it in ASCII")
    if planner == "llm" and mind is None:
        raise UsageError("no language model is configured to plan", "name one: --llm-model NAME, or --planner search")
    asked = {"data": data, "metric": rest["metric"], "target": rest["target"]}
    draft = goal_language.read(goal_text, mind.model, **asked) if mind else goal.parse(goal_text, **asked)
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
        max_train_s=draft.max_train_s,
    )
    if policy != limits.name:
        policy = str(Path(policy).resolve())
    uuids = host_gpus.resolve(gpus, limits)
    return RunSettings(
        name=name or " ".join(draft.text.split())[:60],
        goal=provisional,
        draft=draft,
        data=spec.text,
        planner="search" if mind is None else "llm",
        llm=mind.settings if mind else None,
        llm_replay=mind is not None and mind.replays,
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


def start(settings: RunSettings, workdir: str | None, progress: Progress, means: Means = Means()) -> Session:
    """Run research from the start, in a new directory."""
    limits = _load(settings.policy)
    path = Path(workdir) if workdir else Path(f"run_{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    key, kept = signing.read(), shelf.own()
    directory = RunDirectory.create(path)
    if means.order_key is not None:
        seal.write_sealed(directory.sealed / seal.KEY, [means.order_key])
    with recorder.begin(directory, settings, limits, versions(), key) as record:
        return _research(record, progress, key, kept, means)


def go_on(path: Path, progress: Progress, means: Means = Means()) -> Session:
    """Continue a run that was interrupted."""
    key, kept = signing.read(), shelf.own()
    with recorder.reopen(RunDirectory.open(path), key) as record:
        return _research(record, progress, key, kept, means)


def look(path: Path) -> Session:
    """Rebuild a run from its journal and write its reports again."""
    directory = RunDirectory.open(path)
    run = fold(lines(directory.journal)).run
    report.write(run, directory.path)
    return Session(run, directory)


def _research(
    record: Recorder, progress: Progress, key: SigningKey | None, kept: Shelf | None, means: Means
) -> Session:
    mind = _mind(record, means)
    planner, author = mind.join(record) if mind else (SearchPlanner(seed=record.run.settings.seed), TemplateAuthor())
    experience = _experience(record, means)
    try:
        with progress, open_host(record.policy, record.run.run_id, uuids=record.run.settings.gpus) as host:
            if key and not record.is_signed:
                progress.note("This run was begun without a signing key, and stays unsigned.")
            Thread(target=_load_ahead, args=(record.run.settings,), name="load-ahead").start()
            try:
                Research(record, host, planner, author, experience, progress, kept).run()
                if mind and mind.differing:
                    progress.note(f"{mind.differing} questions were put in other words than in the transcript.")
            except BaseException:
                record.report_if_possible()
                raise
    except LlmError as error:
        on = f"go on with the run: fumehood resume {record.directory.path}"
        raise type(error)(error.what, f"{error.hint}; then {on}" if error.hint else on) from error
    except KeyboardInterrupt as stop:
        finished = record.run.finished_at is not None
        what = "the run is finished: fumehood report" if finished else "go on with the run: fumehood resume"
        raise Interrupted("interrupted", f"{what} {record.directory.path}") from stop
    return Session(record.run, record.directory)


def _mind(record: Recorder, means: Means) -> "Mind | None":
    """The language model that the run began with; None where the built-in search plans."""
    if record.run.settings.llm is None:
        return None
    from fumehood.mind import Mind, resumed

    if means.mind is not None:
        return means.mind
    asking = resumed(record.run, key=means.llm_api_key, key_file=means.llm_api_key_file, replay=means.llm_replay)
    return Mind(asking, record.run.calls)


def _experience(record: Recorder, means: Means) -> Experience:
    """The memory of the run, which takes a second to import, on its first use."""
    namespace, train = record.run.settings.memory, record.policy.train
    if namespace is None:
        return NoExperience()

    def remembering() -> Experience:
        from fumehood.memory.context import ManualMemoryContextManager
        from fumehood.memory.remembering import Remembering

        manager = means.manager or ManualMemoryContextManager(means.memory_db, namespace)
        wall_s = min(record.run.settings.timeout_s or train.wall_s, train.wall_s)
        return Remembering(manager, wall_s, int(train.memory))

    return OnFirstUse(remembering)


def _load_ahead(settings: RunSettings) -> None:
    """Import what is needed later, while the first rooms are at work. Who needs it tells what cannot be imported."""
    memory = ("fumehood.memory.remembering",) if settings.memory is not None else ()
    for name in (*memory, *_NEEDED_LATER):
        with suppress(Exception):
            import_module(name)


def versions() -> Mapping[str, str]:
    """Versions that a result may depend on."""
    found = {"fumehood": __version__, "python": platform.python_version()}
    return found | {name: version(name) for name in _PACKAGES}
