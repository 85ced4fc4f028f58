"""Labels that lie or mislead about who is alive: nobody's file is touched, and no living owner's things are litter."""

import contextlib
import secrets
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from docker.errors import NotFound

from fumehood.sandbox import engine, owner, reaper
from fumehood.sandbox.owner import OWNER, PREFIX, Owner, Place, is_dead

pytestmark = pytest.mark.attacks


@pytest.mark.unit
def test_the_lock_of_an_owner_that_ended_proves_it_dead(tmp_path: Path) -> None:
    with Owner(tmp_path, "run") as alive:
        labels = alive.labels("train", 60)
        assert not is_dead(labels, Place.here(), time.time())
    assert is_dead(labels, Place.here(), time.time())


@pytest.mark.unit
def test_a_lock_label_that_names_another_file_proves_nothing_and_leaves_the_file_alone(tmp_path: Path) -> None:
    precious = tmp_path / "thesis.txt"
    precious.write_text("text")
    with Owner(tmp_path / "state", "run") as alive:
        labels = alive.labels("train", 60) | {PREFIX + "lock": str(precious)}
    assert not is_dead(labels, Place.here(), time.time())
    assert precious.read_text() == "text"


@pytest.mark.unit
def test_a_state_folder_of_another_mount_namespace_at_the_same_path_proves_nothing(tmp_path: Path) -> None:
    with Owner(tmp_path / "state", "run") as alive:
        labels = alive.labels("train", 60)
        (tmp_path / "state").rename(tmp_path / "theirs")
        with Owner(tmp_path / "state", "ours"):
            assert not is_dead(labels, Place.here(), time.time())
        (tmp_path / "state").rename(tmp_path / "ours")
        (tmp_path / "theirs").rename(tmp_path / "state")


@pytest.mark.integration
def test_one_thing_long_past_its_deadline_does_not_condemn_a_living_owner_s_others() -> None:
    api = engine.connect().api
    place = {**asdict(Place.here()), "pid_namespace": "1"}
    common = {PREFIX + "uid": place["uid"], PREFIX + "boot": place["boot"], PREFIX + "pidns": "1", OWNER: "t" * 16}
    now = int(time.time())
    names = [f"fumehood-test-{secrets.token_hex(4)}-{k}" for k in range(2)]
    try:
        for order in ((now + 3600, 1), (1, now + 3600)):
            for name, deadline in zip(names, order, strict=True):
                api.create_volume(name, labels={**common, owner.KIND: "data", PREFIX + "deadline": str(deadline)})
            assert not set(names) & set(reaper.find(api).volumes)
            for name in names:
                api.remove_volume(name)
    finally:
        for name in names:
            with contextlib.suppress(NotFound):
                api.remove_volume(name)
