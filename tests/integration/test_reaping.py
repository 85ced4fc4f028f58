"""Cleaning up after owners that are proven dead, on the real engine: theirs goes, everything else stays."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fumehood.sandbox import reaper
from fumehood.sandbox.host import Host
from fumehood.sandbox.owner import Owner
from fumehood.sandbox.room import remove_container, remove_volume
from integration.lab import environment, owned

pytestmark = pytest.mark.integration

MAKE = """
import sys, time
from pathlib import Path
import docker
from fumehood.sandbox import engine
from fumehood.sandbox.owner import Owner
state, image = Path(sys.argv[1]), sys.argv[2]
api = engine.connect().api
with Owner(state, "killed") as owner:
    labels = owner.labels("train", 60.0)
    api.create_volume("fumehood-test-" + owner.id, labels=labels)
    api.create_container_from_config({"Image": image, "Labels": labels}, "fumehood-test-" + owner.id)
    print(owner.id, flush=True)
    time.sleep(60)
"""


def test_a_killed_owners_things_are_removed_and_a_living_ones_are_not(host: Host, tmp_path: Path) -> None:
    with Owner(tmp_path, "alive") as alive:
        labels = alive.labels("train", 60.0)
        name = f"fumehood-test-{alive.id}"
        try:
            host.api.create_volume(name, labels=labels)
            host.api.create_container_from_config({"Image": host.images.sandbox.image_id, "Labels": labels}, name)
            process = subprocess.Popen(
                [sys.executable, "-c", MAKE, str(tmp_path), host.images.sandbox.image_id],
                env=environment(), stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert process.stdout is not None
            dead = process.stdout.readline().strip()
            assert len(owned(host.api, f"fumehood.owner={dead}")) == 2
            reaper.remove(host.api, reaper.find(host.api))
            assert len(owned(host.api, f"fumehood.owner={dead}")) == 2, "it still lives"
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            reaper.remove(host.api, reaper.find(host.api))
            assert owned(host.api, f"fumehood.owner={dead}") == []
            assert len(owned(host.api, f"fumehood.owner={alive.id}")) == 2
        finally:
            remove_container(host.api, name)
            remove_volume(host.api, name)


@pytest.mark.parametrize(
    "changes",
    [
        {"fumehood.boot": "another boot"},
        {"fumehood.pidns": "1"},
        {"fumehood.uid": "4294967294", "fumehood.deadline": "1"},
    ],
    ids=["another boot", "another namespace", "another user"],
)
def test_who_cannot_be_judged_from_here_is_left_alone(host: Host, tmp_path: Path, changes: dict[str, str]) -> None:
    with Owner(tmp_path, "elsewhere") as owner:
        labels = {**owner.labels("data", 60.0), **changes}
    name = f"fumehood-test-{owner.id}"
    try:
        host.api.create_volume(name, labels=labels)
        assert name not in reaper.find(host.api).volumes
    finally:
        remove_volume(host.api, name)


def test_things_with_our_names_and_strange_labels_are_left_alone(host: Host) -> None:
    name = f"fumehood-data-{os.urandom(8).hex()}"
    try:
        host.api.create_volume(name, labels={"somebody": "else"})
        assert name not in reaper.find(host.api).volumes
    finally:
        remove_volume(host.api, name)


def test_a_dead_owner_past_its_deadline_goes_wherever_it_was(host: Host, tmp_path: Path) -> None:
    with Owner(tmp_path, "old") as owner:
        labels = {**owner.labels("data", 60.0), "fumehood.boot": "another boot", "fumehood.deadline": "1000"}
    name = f"fumehood-test-{owner.id}"
    try:
        host.api.create_volume(name, labels=labels)
        assert reaper.find(host.api).volumes.get(name, "data") == "data"
        reaper.remove(host.api, reaper.find(host.api))
        assert owned(host.api, f"fumehood.owner={owner.id}") == []
    finally:
        remove_volume(host.api, name)
