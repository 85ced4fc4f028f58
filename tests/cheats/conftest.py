"""One laboratory for all cheats, under the policy that ``fumehood check`` uses; and the table of what was seen."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from cheats import kit
from cheats.kit import Attempt, Cheat, Trial
from fumehood import policy
from fumehood.attacks.stage import Stage, open_stage
from integration.lab import SOURCES

AT_ONCE = 2
"""Candidates, each with its share of the CPUs: more threads than CPUs wait for each other until the deadline."""
TABLE = "FUMEHOOD_CHEAT_TABLE"
"""Set by ``make cheats``: print what was seen."""
_SEEN = pytest.StashKey[list[tuple[Cheat, Trial, float]]]()


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("PYTHONPATH", os.pathsep.join(SOURCES))
        with open_stage(policy.load("ci"), data="digits", parallel=AT_ONCE) as opened:
            yield opened


@pytest.fixture(scope="session")
def attempt(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Attempt]:
    """What became of a cheat, or of the honest twin (None); those of the tests to come are tried meanwhile."""
    wanted = (getattr(item, "callspec", None) for item in request.session.items)
    cheats = [spec.params["cheat"] for spec in wanted if spec and "cheat" in spec.params]
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="cheats")
    try:
        # The twin comes first, since all are compared with it.
        trials = {cheat: pool.submit(kit.attempt, stage, k, cheat) for k, cheat in enumerate([None, *cheats], 1)}

        def tried(cheat: Cheat | None) -> Trial:
            if cheat not in trials:
                trials[cheat] = pool.submit(kit.attempt, stage, len(trials) + 1, cheat)
            return trials[cheat].result()

        yield tried
        done = {cheat: trial.result() for cheat, trial in trials.items() if trial.done() and not trial.exception()}
        seen = [(cheat, done[cheat], done[None].value) for cheat in kit.CHEATS if {None, cheat} <= done.keys()]
        request.config.stash[_SEEN] = seen
    finally:
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="session")
def honest(attempt: Attempt) -> Trial:
    """The twin, with as many seeds as any cheat has."""
    return attempt(None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    seen = terminalreporter.config.stash.get(_SEEN, [])
    if not seen or not os.environ.get(TABLE):
        return
    terminalreporter.write_line("")
    terminalreporter.write_line(
        f"| cheat | what it tries | seen; the honest twin scores {seen[0][2]:.3f} |\n|---|---|---|"
    )
    for cheat, trial, _ in seen:
        terminalreporter.write_line(f"| {cheat.name} | {cheat.tries} | {trial.shown} |")
