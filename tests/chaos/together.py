"""Two runs at the same time, in one account and in two: neither sees, stops or removes what is the other's."""

import json
import subprocess
from functools import partial
from pathlib import Path

import docker

from chaos import neighbours
from chaos.runs import REACHED_S, Run, containers, kinds, outcome, volumes
from integration.lab import command, environment, wait_until


def two_at_once(api: docker.APIClient, folder: Path, asked: tuple[str, ...], *, other_account: bool) -> list[str]:
    """What went wrong with two runs, between which ``fumehood gc`` is called in both accounts."""
    mine = Run(folder / "mine", asked)
    theirs = Run(folder / "theirs", asked)
    prefix, variables = [], environment()
    if other_account:
        prefix, variables = neighbours.as_other_account(), neighbours.elsewhere(folder)
        theirs = Run(folder / "other-account" / "theirs", asked)
    with (
        _started(mine, [], environment()) as first,
        _started(theirs, prefix, variables) as second,
    ):
        met = all(wait_until(partial(_has_rooms, api, run), REACHED_S) for run in (mine, theirs))
        wrong = [] if met else ["the two runs did not meet"]
        wrong += _collected([], environment()) + _collected(prefix, variables)
        for name, process in (("the first", first), ("the second", second)):
            _, said = process.communicate(timeout=180)
            if process.returncode != 0:
                wrong.append(f"{name} of two runs ended with {process.returncode}: {said[-300:]}")
    for run in (mine, theirs):
        wrong += containers(api, run.label) + volumes(api, run.label)
        wrong += [] if kinds(run.folder)[-1:] == ["finished"] else ["one of two runs is not finished"]
    # Their row orders differ, and so may last digits of predictions; what was proposed and trained on does not.
    same = outcome(mine.folder)["proposed"] == outcome(theirs.folder)["proposed"]
    return wrong if same else [*wrong, "two runs at once proposed different candidates"]


def _has_rooms(api: docker.APIClient, run: Run) -> bool:
    return bool(containers(api, run.label))


def _started(run: Run, prefix: list[str], variables: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*prefix, *command("run", *run.asked, "--workdir", str(run.folder))], env=variables, cwd="/",
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _collected(prefix: list[str], variables: dict[str, str]) -> list[str]:
    """What ``fumehood gc`` takes for dead, of whom nobody is."""
    done = subprocess.run(
        [*prefix, *command("gc", "--json")], env=variables, cwd="/", capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        return [f"gc ended with {done.returncode}: {done.stderr[-300:]}"]
    return [f"gc took {thing['name']} of a living run for dead" for thing in json.loads(done.stdout)["found"]]
