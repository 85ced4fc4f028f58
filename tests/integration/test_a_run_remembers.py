"""What ``fumehood run`` remembers, in which database and namespace, and what it leaves alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from integration.lab import fumehood_cli

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ASKED = ("--goal", "Classify iris as well as possible", "--data", "iris", "--max-iterations", "1", "--num-seeds", "1")


@pytest.fixture
def own(tmp_path: Path) -> dict[str, str]:
    """Folders of a user who has no memory yet."""
    return {
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "MEMORI_DATABASE__CONNECTION_STRING": "",
        "FUMEHOOD_MEMORY": "yes",
    }


def ran(folder: Path, own: dict[str, str], *more: str) -> dict[str, Any]:
    done = fumehood_cli("run", *ASKED, "--json", "--workdir", str(folder), *more, **own)
    assert done.returncode == 0, done.stderr
    registry: dict[str, Any] = json.loads((folder / "experiments" / "registry.json").read_text())
    return registry["run"]


def stats(own: dict[str, str], *where: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(fumehood_cli("memory", "stats", "--json", *where, **own).stdout)
    return found


def test_a_run_is_remembered_where_its_flags_say(tmp_path: Path, own: dict[str, str]) -> None:
    where = ("--memory-db", str(tmp_path / "lab.db"))
    first = ran(tmp_path / "1", own, *where, "--memory-namespace", "iris-lab")
    assert stats(own, *where, "--memory-namespace", "iris-lab")["runs"] == 1
    assert stats(own, *where)["total"] == 0, "another namespace"
    assert not (tmp_path / "data").exists(), "another database"
    assert first["recollections"][0]["recalled"] == []

    second = ran(tmp_path / "2", own, *where, "--memory-namespace", "iris-lab")
    assert {one["insight"]["run_id"] for one in second["recollections"][0]["recalled"]} == {first["run_id"]}
    params = second["iterations"][0]["plan"]["params"]
    assert (params["start"], "recalled" in params) == (0, False), "the first built-in start is no news"


def test_a_run_is_remembered_in_the_users_own_memory_unless_it_is_told_not_to_be(
    tmp_path: Path, own: dict[str, str]
) -> None:
    forgotten = ran(tmp_path / "1", own, "--no-memory")
    assert (forgotten["recollections"], forgotten["remembered"]) == ([], None)
    assert not (tmp_path / "data").exists()
    assert ran(tmp_path / "2", own)["remembered"]["new"] > 0
    assert stats(own)["runs"] == 1
