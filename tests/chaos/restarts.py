"""The engine restarted or killed while a run has rooms on it. Only ever a second engine of the test's own."""

import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from chaos import moments
from chaos.daemon import Daemon
from chaos.ear import Ear
from chaos.runs import GONE_S, REACHED_S, Run, containers, locks, share_row_orders, unlike, volumes
from fumehood import policy
from fumehood.errors import EngineError
from fumehood.executors import Job
from fumehood.sandbox.host import open_host
from fumehood_shared.messages import BuiltinSource, SeedSpec
from integration import candidates
from integration.lab import Lab, fumehood_cli, prepared, tightened, wait_until

WAYS = (signal.SIGTERM, signal.SIGKILL)
STAGES = ("preparing", "data_prepared", "training", "second predicting", "sealed measurement")
_ENGINE = 6


def through_restarts(engine: Daemon, run: Run, state: Path, undisturbed: Path, way: signal.Signals) -> list[str]:
    """What went wrong with a run whose engine was restarted at every one of ``STAGES``."""
    wrong = []
    for stage in STAGES:
        if not moments.is_past(run, stage):
            wrong += [f"{way.name} at {stage}: {what}" for what in _restart_at(engine, run, state, stage, way)]
        if stage == "data_prepared":
            wrong += share_row_orders(run, undisturbed)
    return wrong + run.complete() + unlike(run, undisturbed)


def _restart_at(engine: Daemon, run: Run, state: Path, stage: str, way: signal.Signals) -> list[str]:
    before = locks(state)
    with closing(Ear(engine.api())) as ear, run.started() as process:
        if not wait_until(lambda: moments.reached(ear, run, stage) or process.poll() is not None, REACHED_S, 0.002):
            return ["not reached"]
        engine.restart(way)
        _, said = process.communicate(timeout=120)
    wrong = [] if process.returncode == _ENGINE else [f"ended with {process.returncode}: {said[-400:]}"]
    wrong += ["a traceback was shown"] if "Traceback" in said else []
    api = engine.api()
    wait_until(lambda: not containers(api, run.label), GONE_S, 0.1)
    wrong += containers(api, run.label)
    fumehood_cli("gc", **run.changes)
    return wrong + volumes(api, run.label) + sorted(locks(state) - before) + _blamed(run)


def _blamed(run: Run) -> list[str]:
    """Failures that the journal puts down to a candidate."""
    return ["a candidate was blamed"] if '"kind":"crashed"' in (run.folder / "journal.jsonl").read_text() else []


def whose_fault(engine: Daemon, way: signal.Signals, role: str) -> str:
    """What is said of an evaluation whose room was at work when its engine was restarted: the error, or the failure."""
    evaluated = False
    try:
        with (
            _lab(engine) as lab,
            lab.executor() as executor,
            tempfile.TemporaryDirectory() as into,
            _restarting(engine, lab, way, role),
        ):
            source = candidates.HOLDS if role == "train" else candidates.HOLDS_IN_PREDICT
            job = Job(number=1, source=source, seeds=(SeedSpec(seed=0, order=0),))
            evaluated = True
            return f"candidate: {executor.evaluate(job, Path(into)).failure}"
    except EngineError as error:
        return f"engine: {error}" if evaluated else f"not evaluated: {error}"


@contextmanager
def _restarting(engine: Daemon, lab: Lab, way: signal.Signals, role: str) -> Iterator[None]:
    thread = threading.Thread(target=_restart_once_held, args=(engine, lab, way, role))
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _restart_once_held(engine: Daemon, lab: Lab, way: signal.Signals, role: str) -> None:
    """Wait until the candidate holds its room, which it shows by a file in the room's /tmp."""
    api, query = engine.api(), {"label": [f"fumehood.owner={lab.host.owner.id}", f"fumehood.kind={role}"]}

    def holds() -> bool:
        pids = [api.inspect_container(c["Id"])["State"]["Pid"] for c in api.containers(filters=query)]
        return any(Path(f"/proc/{pid}/root/tmp/holding").exists() for pid in pids)

    wait_until(holds, 60.0)
    engine.restart(way)


@contextmanager
def _lab(engine: Daemon) -> Iterator[Lab]:
    """Iris on that engine. Its end may find the engine's things gone, which is as it should be."""
    before = os.environ.get("DOCKER_HOST")
    os.environ["DOCKER_HOST"] = engine.url
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            open_host(tightened(policy.load("standard")), "chaos") as host,
            prepared(host, BuiltinSource(name="iris"), {}, Path(folder)) as lab,
        ):
            yield lab
    finally:
        os.environ.pop("DOCKER_HOST") if before is None else os.environ.update(DOCKER_HOST=before)
