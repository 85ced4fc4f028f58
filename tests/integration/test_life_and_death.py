"""A run that is killed or interrupted, or has company, and comes to the same end as one that is left in peace.

A short form of ``make chaos``, which does the same at many more moments, and to engine and disk as well.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from chaos import interrupts, moments, together
from chaos.kills import Story
from chaos.neighbours import Neighbours, neighbours
from chaos.runs import Run, kinds, locks, patient_policy, share_row_orders, unlike
from fumehood.sandbox.host import Host
from integration.lab import fumehood_cli

pytestmark = [pytest.mark.integration, pytest.mark.attacks, pytest.mark.slow, pytest.mark.timeout(900)]

GOAL = ("--goal", "Classify iris as well as possible", "--data", "iris", "--max-iterations", "1", "--num-seeds", "2")
STAGES = ("preparing", "data_prepared", "training", "fresh training", "sealed measurement", "report")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Every seed in rooms of its own, so that several are open at once."""
    folder = tmp_path_factory.mktemp("policy")
    return (*GOAL, "--policy", str(patient_policy(folder)))


@pytest.fixture(scope="module")
def undisturbed(asked: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    done = fumehood_cli("run", *asked, "--workdir", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def beside(api: docker.APIClient, host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neighbours]:
    """Others on the engine, of whom nobody may be touched by anything in this file."""
    with neighbours(api, host.images.sandbox.image_id, tmp_path_factory.mktemp("neighbours")) as others:
        yield others
        assert others.harm(api) == []


@pytest.fixture
def living(beside: Neighbours, state: Path) -> set[str]:
    """Lock files of those who live: the tests' own host among them."""
    found = locks(state)
    assert beside.locks <= found
    return found


def test_a_run_killed_at_any_stage_leaves_nothing_and_ends_as_if_undisturbed(
    api: docker.APIClient, asked: tuple[str, ...], undisturbed: Path, living: set[str], state: Path, tmp_path: Path
) -> None:
    story = Story(Run(tmp_path / "run", asked), state, living)
    story.tell(api, undisturbed, STAGES, random.Random(1))
    assert story.wrong == []
    assert len(story.killed) >= 4, story.killed


def test_ctrl_c_once_or_twice_leaves_nothing_and_the_run_ends_as_if_undisturbed(
    api: docker.APIClient, asked: tuple[str, ...], undisturbed: Path, living: set[str], state: Path, tmp_path: Path
) -> None:
    run, chance = Run(tmp_path / "run", asked), random.Random(1)
    assert interrupts.interrupted(api, run, state, living, "data_prepared", 1, chance) == []
    assert share_row_orders(run, undisturbed) == []
    assert interrupts.interrupted(api, run, state, living, "training", 2, chance) == []
    if not moments.is_past(run, "sealed measurement"):
        assert interrupts.interrupted(api, run, state, living, "sealed measurement", 1, chance) == []
    assert run.complete() + unlike(run, undisturbed) == []
    assert fumehood_cli("resume", str(run.folder)).returncode == 2, "it is finished"
    assert kinds(run.folder).count("finished") == 1


@pytest.mark.parametrize("other_account", [False, True], ids=["one account", "two accounts"])
@pytest.mark.usefixtures("beside")
def test_two_runs_at_once_leave_each_other_alone(api: docker.APIClient, tmp_path: Path, other_account: bool) -> None:
    assert together.two_at_once(api, tmp_path, GOAL, other_account=other_account) == []
