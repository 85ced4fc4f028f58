"""Only what belongs to a proven-dead owner may be removed."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fumehood.sandbox import engine, image, reaper
from fumehood.sandbox.owner import Owner, Place, forget_dead, is_dead

unit = pytest.mark.unit
NOW = time.time()
DAY = 86_400
HOLD = """
import sys, time
from pathlib import Path
from fumehood.sandbox.owner import Owner
with Owner(Path(sys.argv[1]), "run") as owner:
    print(owner.labels("room", 60), flush=True)
    time.sleep(600)
"""


@pytest.fixture
def labels(tmp_path):
    """Labels of an owner that is dead: its process was killed, its lock file is still there."""
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        found = eval(holder.stdout.readline())
        assert not is_dead(found, Place.here(), NOW + 10 * DAY)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    return found


@unit
def test_this_very_process_is_alive(tmp_path):
    with Owner(tmp_path, "run") as owner:
        assert not is_dead(owner.labels("room", -2 * DAY), Place.here(), NOW + 10 * DAY)
        assert not is_dead(owner.labels("room", 0), Place.here(), NOW)


@unit
def test_an_owner_that_left_is_dead(tmp_path):
    with Owner(tmp_path, "run") as owner:
        left = owner.labels("room", 3600)
    assert is_dead(left, Place.here(), NOW)
    assert list((tmp_path / "locks").iterdir()) == []


@unit
def test_another_process_is_alive_until_it_is_killed(labels):
    assert is_dead(labels, Place.here(), NOW)
    assert is_dead(labels, Place.here(), NOW)


@unit
@pytest.mark.parametrize("where", ["boot", "pid_namespace"])
def test_elsewhere_only_a_deadline_long_past_counts(labels, where):
    place, deadline = replace(Place.here(), **{where: "another"}), int(labels["fumehood.deadline"])
    assert not is_dead(labels, place, deadline + DAY - 1)
    assert is_dead(labels, place, deadline + DAY + 1)


@unit
def test_another_user_s_things_are_never_ours_to_remove(labels):
    assert not is_dead(labels, replace(Place.here(), uid="12345"), NOW + 100 * DAY)


@unit
@pytest.mark.parametrize("key", ["boot", "pidns", "uid", "lock", "owner"])
def test_an_owner_is_not_judged_by_half_of_its_labels(labels, key):
    without = {name: value for name, value in labels.items() if name != f"fumehood.{key}"}
    assert not is_dead(without, Place.here(), NOW)


@unit
@pytest.mark.parametrize(
    "lock", ["", ".", "relative.lock", "{locks}", "{locks}/x.lock", "{locks}/../x.lock", "\0", "x" * 5000]
)
def test_a_lock_that_is_not_the_owner_s_proves_nothing(labels, tmp_path, monkeypatch, lock):
    # Only names below tmp_path: code that fails this test may delete the file it is given.
    monkeypatch.chdir(tmp_path)
    named = lock.format(locks=tmp_path / "locks")
    assert not is_dead({**labels, "fumehood.lock": named}, Place.here(), NOW)


@unit
def test_a_label_cannot_name_a_file_to_be_deleted(labels, tmp_path):
    precious = tmp_path / "locks" / "thesis.tex"
    precious.write_text("x")
    assert not is_dead({**labels, "fumehood.lock": str(precious)}, Place.here(), NOW)
    assert precious.exists()


@unit
@pytest.mark.parametrize("deadline", ["", "soon", "-1", "1e3", " 5", "²", "9" * 5000, "0x10"])
def test_a_deadline_that_cannot_be_read_proves_nothing(labels, deadline):
    elsewhere = replace(Place.here(), boot="another")
    assert not is_dead({**labels, "fumehood.deadline": deadline}, elsewhere, NOW)


TEXT = st.text(max_size=20)
KEYS = st.sampled_from(["boot", "pidns", "uid", "lock", "owner", "deadline", "kind"]).map("fumehood.{}".format)


@unit
@given(st.dictionaries(KEYS | TEXT, TEXT))
def test_garbage_is_never_dead(garbage):
    assert not is_dead(garbage, Place.here(), 0.0)


@unit
def test_the_locks_of_two_owners_are_two(tmp_path):
    with Owner(tmp_path, "a") as one, Owner(tmp_path, "b") as two:
        assert one.id != two.id
        assert one.labels("room", 1)["fumehood.install"] == two.labels("room", 1)["fumehood.install"]


@unit
@pytest.mark.parametrize("stepped", [-(10.0**9), 0.0, 10.0**9], ids=["back", "not at all", "ahead"])
def test_a_clock_that_is_stepped_kills_and_revives_nobody(tmp_path, stepped):
    with Owner(tmp_path, "run") as owner:
        labels = owner.labels("train", 60)
        assert not is_dead(labels, Place.here(), time.time() + stepped)
    assert is_dead(labels, Place.here(), time.time() + stepped)


@unit
def test_lock_files_of_the_dead_are_swept_away_and_of_the_living_are_not(tmp_path):
    locks = tmp_path / "locks"
    with Owner(tmp_path, "run") as alive:
        (locks / "0123456789abcdef.lock").touch()
        forget_dead(tmp_path)
        assert [path.name for path in locks.glob("*.lock")] == [f"{alive.id}.lock"]
        assert not is_dead(alive.labels("train", 60), Place.here(), time.time())


@unit
def test_sweeping_while_owners_come_and_go_takes_no_lock_from_anybody(tmp_path):
    stop = threading.Event()

    def sweep():
        while not stop.is_set():
            forget_dead(tmp_path)

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for _ in range(50):
            with Owner(tmp_path, "run") as owner:
                assert (tmp_path / "locks" / f"{owner.id}.lock").exists()
                assert not is_dead(owner.labels("train", 60), Place.here(), time.time())
    finally:
        stop.set()
        sweeper.join()


# ---- on an engine --------------------------------------------------------------------------------------------------

LITTER = """
import contextlib, sys, time
from pathlib import Path
from fumehood.sandbox import engine
from fumehood.sandbox.cage import create_body
from fumehood.sandbox.owner import Owner
from fumehood.sandbox.watchdog import watching
from cages import a_cage
with Owner(Path(sys.argv[1]), "run") as owner:
    with watching(owner) if sys.argv[3] == "watched" else contextlib.nullcontext():
        name = f"fumehood-test-{owner.id}"
        ours = {"name": name, "exchange": name, "labels": owner.labels("room", 60)}
        cage = a_cage(image_id=sys.argv[2], data=None, handover=None, **ours)
        engine.connect().api.create_container_from_config(create_body(cage), name)
        print(owner.id, flush=True)
        time.sleep(600)
"""


@pytest.fixture
def litter(tmp_path):
    """A function that starts a controller with one created room, kills it with SIGKILL, and returns its owner id."""
    client = engine.connect()
    owners = []

    def make(watched):
        image_id = image.find(client).sandbox.image_id
        command = [sys.executable, "-c", LITTER, str(tmp_path), image_id, "watched" if watched else "alone"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        with holder.stdout:
            owners.append(holder.stdout.readline().strip())
        assert len(reaper.find(client.api, owners[-1])) == 2
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        return owners[-1]

    yield make
    for owner in filter(None, owners):
        with contextlib.suppress(Exception):
            reaper.remove(client.api, reaper.find(client.api, owner))


@pytest.mark.integration
def test_the_watchdog_removes_what_a_killed_controller_leaves(litter):
    api, owner = engine.connect().api, litter(watched=True)
    deadline = time.monotonic() + 20
    while (left := reaper.find(api, owner)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left


@pytest.mark.integration
def test_what_nobody_watched_is_found_and_removed_later(litter):
    api, owner = engine.connect().api, litter(watched=False)
    found, mine = reaper.find(api), reaper.find(api, owner)
    assert set(mine.containers) <= set(found.containers)
    assert set(mine.volumes) <= set(found.volumes)
    reaper.remove(api, mine)
    assert not reaper.find(api, owner)


@pytest.mark.integration
def test_a_living_owner_s_room_is_left_alone(tmp_path):
    client = engine.connect()
    with Owner(tmp_path, "run") as owner:
        labels = owner.labels("exchange", 60)
        name = f"fumehood-test-{owner.id}"
        client.api.create_volume(name, labels=labels)
        try:
            assert name not in reaper.find(client.api).volumes
        finally:
            client.api.remove_volume(name)
