"""A run that is killed again and again comes to the same end as one that is left in peace.

One run is killed with SIGKILL right after each kind of journal line and in the middle of its rooms, and resumed each
time. After its first kill it is given the row-order key of the undisturbed run, so that the two can be compared
number by number.
"""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest

from integration.lab import command, environment, events, fumehood_cli, owned, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(420)]

ASKED = ("--goal", "Classify iris as well as possible", "--data", "iris", "--max-iterations", "3", "--num-seeds", "2")


def journal(folder: Path) -> list[dict[str, Any]]:
    """Complete lines; an unfinished one is left out."""
    path = folder / "journal.jsonl"
    whole = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
    return [json.loads(line) for line in whole.splitlines()]


def kinds(folder: Path) -> list[str]:
    return [entry["kind"] for entry in journal(folder) if entry["kind"] != "resumed"]


def bodies(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [entry["body"] for entry in journal(folder) if entry["kind"] == kind]


@dataclass(frozen=True)
class Story:
    """The killed run: where it lies, and what was seen at every kill."""

    folder: Path
    moments: list[str] = field(default_factory=list)
    """What the journal ended with at each kill."""
    trained: list[tuple[int, int]] = field(default_factory=list)
    """Per start of the program: train rooms that the engine made, evaluations that the journal got."""
    leftovers: list[list[str]] = field(default_factory=list)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    done = fumehood_cli("run", *ASKED, "--workdir", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


def rooms_made(api: docker.APIClient, folder: Path, since: float) -> list[str]:
    run = journal(folder)[0]["body"]["run_id"] if kinds(folder) else "none"
    made = events(api, since, type="container", event="create", label=f"fumehood.run={run}")
    return [event["Actor"]["Attributes"]["fumehood.kind"] for event in made]


def room_works(api: docker.APIClient, folder: Path, role: str) -> Callable[[], bool]:
    """Whether a room of that role got its job: the engine noted that files were put into it."""
    began = time.time()

    def seen() -> bool:
        run = journal(folder)[0]["body"]["run_id"]
        put = events(api, began, type="container", event="extract-to-dir", label=f"fumehood.run={run}")
        return any(event["Actor"]["Attributes"]["fumehood.kind"] == role for event in put)

    return seen


MOMENTS = (
    "started", "image", "data_prepared", "proposed", "train room", "predict room", "evaluated", "decided",
    "second proposed", "second evaluated", "second decided", "third proposed",
    "third evaluated", "sealed measurement", "test_predicted", "seal_opened",
)  # fmt: skip


ORDINALS = {"": 1, "second": 2, "third": 3}


def reached(api: docker.APIClient, folder: Path, moment: str) -> Callable[[], bool]:
    if moment == "train room":
        return room_works(api, folder, "train")
    if moment in ("predict room", "sealed measurement"):
        return room_works(api, folder, "predict")
    ordinal, _, kind = moment.rpartition(" ")
    return lambda: kinds(folder).count(kind) >= ORDINALS[ordinal]


def is_past(folder: Path, moment: str) -> bool:
    """Whether a kill at this moment makes no sense any more, because an earlier one came a little late."""
    seen = kinds(folder)
    if moment in ("train room", "predict room"):
        return "evaluated" in seen
    if moment == "sealed measurement":
        return "test_predicted" in seen
    ordinal, _, kind = moment.rpartition(" ")
    return seen.count(kind) >= ORDINALS[ordinal]


@pytest.fixture(scope="module")
def killed(api: docker.APIClient, undisturbed: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    story = Story(tmp_path_factory.mktemp("killed") / "run")
    for moment in MOMENTS:
        if not is_past(story.folder, moment):
            kill_at(api, story, moment)
        if kinds(story.folder)[-1] == "data_prepared":
            shutil.copyfile(undisturbed / "sealed/row-order.key", story.folder / "sealed/row-order.key")
    # The last kill may come when only the reports are missing.
    finished = kinds(story.folder)[-1] == "finished"
    done = fumehood_cli("report" if finished else "resume", str(story.folder))
    assert done.returncode == 0, done.stderr
    return story


def kill_at(api: docker.APIClient, story: Story, moment: str) -> None:
    folder, since = story.folder, time.time()
    before = kinds(folder).count("evaluated")
    arguments = ["resume", str(folder)] if before or kinds(folder) else ["run", *ASKED, "--workdir", str(folder)]
    with subprocess.Popen(
        command(*arguments), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        arrived = reached(api, folder, moment)
        assert wait_until(lambda: arrived() or process.poll() is not None, 60.0, 0.001), moment
        assert process.poll() is None, f"ended before {moment}"
        process.send_signal(signal.SIGKILL)
    story.moments.append(f"{moment}: {kinds(folder)[-1]}")
    label = f"fumehood.run={journal(folder)[0]['body']['run_id']}"
    wait_until(lambda: not owned(api, label), 10.0, 0.2)
    story.leftovers.append(owned(api, label))
    trained = rooms_made(api, folder, since).count("train")
    story.trained.append((trained, kinds(folder).count("evaluated") - before))


def test_it_was_killed_at_ten_moments_at_least(killed: Story) -> None:
    assert len(killed.moments) >= 10, killed.moments
    assert {"train room", "predict room", "sealed measurement"} <= {m.partition(":")[0] for m in killed.moments}


def test_nothing_is_left_on_the_engine_ten_seconds_after_a_kill(killed: Story) -> None:
    assert killed.leftovers == [[]] * len(killed.moments)


def test_every_step_is_in_the_journal_once(killed: Story, undisturbed: Path) -> None:
    assert kinds(killed.folder) == kinds(undisturbed)


def test_what_was_evaluated_is_not_evaluated_again(killed: Story) -> None:
    """Rooms that the engine made: one for each evaluation that was noted, and at most one that the kill cut short."""
    for made, noted in killed.trained:
        assert noted <= made <= noted + 1
    cut_short = [moment for moment in killed.moments if moment.endswith(": proposed")]
    assert sum(made for made, _ in killed.trained) <= sum(noted for _, noted in killed.trained) + len(cut_short)


def test_plans_seeds_and_decisions_are_those_of_the_undisturbed_run(killed: Story, undisturbed: Path) -> None:
    assert bodies(killed.folder, "proposed") == bodies(undisturbed, "proposed")
    verdicts = [
        [body["decision"]["verdict"] for body in bodies(folder, "decided")] for folder in (killed.folder, undisturbed)
    ]
    assert verdicts[0] == verdicts[1]


def test_weights_and_scores_are_those_of_the_undisturbed_run(killed: Story, undisturbed: Path) -> None:
    weights = [
        [[seed["weights_digest"] for seed in body["envelope"]["seeds"]] for body in bodies(folder, "evaluated")]
        for folder in (killed.folder, undisturbed)
    ]
    assert weights[0] == weights[1]
    measured = [bodies(folder, "measured")[0]["sealed"]["score"] for folder in (killed.folder, undisturbed)]
    assert measured[0]["metrics"]["accuracy"] == measured[1]["metrics"]["accuracy"]


def test_the_seal_was_opened_once(killed: Story, state: Path) -> None:
    run = journal(killed.folder)[0]["body"]["run_id"]
    ledger = (state / "fumehood" / "seal-ledger.jsonl").read_text().splitlines()
    assert sum(json.loads(line)["run_id"] == run for line in ledger) == 1
    assert kinds(killed.folder).count("seal_opened") == 1


def test_the_run_is_whole_afterwards(killed: Story) -> None:
    assert (killed.folder / "reports" / "report.html").is_file()
    again = fumehood_cli("resume", str(killed.folder))
    assert again.returncode == 2
    assert "finished" in again.stderr
