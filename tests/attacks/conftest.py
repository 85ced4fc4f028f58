"""A run on iris with candidates written by hand, in real rooms, step by step; and the attack suite, run once."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from attacks.candidates import Attempt, Begin, Started
from attacks.told import Report, Told, ask, markdown
from fumehood import policy, recorder, session
from fumehood.assembly.author import TemplateAuthor
from fumehood.attacks import probes
from fumehood.attacks.probes import Tried
from fumehood.attacks.stage import Stage, open_stage
from fumehood.attacks.suite import PROBES
from fumehood.executors import Executor
from fumehood.experience import NoExperience
from fumehood.laboratory import warm_rooms
from fumehood.planning.search import SearchPlanner
from fumehood.progress import SilentProgress
from fumehood.records import Envelope
from fumehood.research import Research
from fumehood.run_directory import RunDirectory, write_text
from fumehood.sandbox.host import open_host
from fumehood.search import Evaluations


@pytest.fixture(scope="session")
def begin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begin]:
    """Starts a run with as many seeds as asked for, up to the point where candidates are tried."""
    with ExitStack() as stack:

        def new(seeds: int) -> Started:
            wanted = session.settings(
                "classify iris", data="iris", name=None, planner="search", policy="standard", metric=None, target=None,
                max_iterations=9, num_seeds=seeds, seed=0, split_seed=0, timeout_s=20.0, budget_minutes=None,
            )  # fmt: skip
            limits = policy.load("standard")
            directory = RunDirectory.create(tmp_path_factory.mktemp("attacked") / "run")
            record = stack.enter_context(recorder.begin(directory, wanted, limits, {}))
            host = stack.enter_context(open_host(limits, record.run.run_id))
            research = Research(record, host, SearchPlanner(seed=0), TemplateAuthor(), NoExperience(), SilentProgress())
            research.note_image()
            research.prepare()
            pool = stack.enter_context(warm_rooms(host))
            return research, stack.enter_context(research.laboratory.executor(pool))

        yield new


@pytest.fixture
def attempt() -> Attempt:
    """Has one hand-written candidate evaluated and judged."""

    def evaluate(research: Research, executor: Executor, source: str) -> Envelope:
        run, directory = research.recorder.run, research.recorder.directory
        plan = research.planner.propose(run.settings.goal, research.recorder.dataset, run.iterations, ())
        number = len(run.iterations) + 1
        write_text(directory.fresh(directory.iteration(number)) / "model.py", source)
        digest = hashlib.sha256(source.encode()).hexdigest()
        research.recorder.note("proposed", number=number, plan=plan, source_digest=digest)
        with Evaluations(1, executor.abandon) as evaluations:
            research.search.step(executor, evaluations)
        return research.recorder.run.iterations[-1].envelope

    return evaluate


# ---- the attack suite ------------------------------------------------------------------------------------------------

_REPORTS = pytest.StashKey[dict[str, Report]]()
TABLE = "FUMEHOOD_ATTACK_TABLE"
"""Set by ``make attacks``: print what was seen under each policy."""


@pytest.fixture(scope="session")
def told(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What the command told under a policy; it runs at the first question."""
    reports = pytestconfig.stash.setdefault(_REPORTS, {})

    def report(name: str) -> Report:
        if name not in reports:
            reports[name] = ask(name, tmp_path_factory.mktemp("state"))
        return reports[name]

    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = terminalreporter.config.stash.get(_REPORTS, {})
    if reports and os.environ.get(TABLE):
        terminalreporter.write_line("")
        terminalreporter.write_line(markdown(reports))


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """Iris, on this engine, under the ordinary policy made small."""
    with open_stage(policy.load("standard")) as opened:
        yield opened


@pytest.fixture(scope="session")
def controls() -> dict[str, Tried]:
    """What every probe of the suite gains where its wall is taken away, by the probe's key."""
    with probes.open_probing(policy.load("standard")) as probing:
        return probes.controls(probing, PROBES)
