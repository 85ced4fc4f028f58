"""SIGKILL of the controller: within ten seconds the engine knows nothing of its run any more."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import docker
import pytest

from fumehood.sandbox import engine, reaper
from fumehood.sandbox.owner import OWNER

pytestmark = [pytest.mark.attacks, pytest.mark.integration, pytest.mark.slow]


def test_nothing_is_left_of_a_run_that_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from fumehood.cli import main; main()"]
    options = ["run", "--goal", "classify iris", "--data", "iris", "--workdir", str(tmp_path / "run"), "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([*command, *options], env=environment, stdout=quiet, stderr=quiet)
    api = engine.connect().api
    try:
        owner = owner_of_first_train_room(api, tmp_path / "run" / "journal.jsonl")
        assert len(reaper.find(api, owner)) >= 3
    finally:
        process.kill()
        process.wait()
    deadline = time.monotonic() + 10
    while (left := reaper.find(api, owner)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left


def owner_of_first_train_room(api: docker.APIClient, journal: Path) -> str:
    """Of the run that ``journal`` is about; waits for the room."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.05)
        if not journal.exists() or not (lines := journal.read_text().splitlines()):
            continue
        query = {"label": [f"fumehood.run={json.loads(lines[0])['body']['run_id']}", "fumehood.kind=train"]}
        for room in api.containers(all=True, filters=query):
            return str(room["Labels"][OWNER])
    raise AssertionError("the run opened no train room")
