"""Two candidates at once in real rooms: each with half of the CPUs, decided in order, and a run like any other."""

import json
import os
from pathlib import Path

import pytest

from chaos.runs import bodies, journal, kinds
from integration.lab import fumehood_cli

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ASKED = (
    "run", "--goal", "Classify iris", "--data", "iris", "--planner", "search", "--max-iterations", "4",
    "--num-seeds", "2", "--parallel", "2",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parallel") / "run"
    done = fumehood_cli(*ASKED, "--workdir", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


def test_two_are_under_way_and_decisions_come_in_order(run: Path) -> None:
    found = kinds(run)
    assert found[3:5] == ["proposed", "proposed"]
    assert [body["number"] for body in bodies(run, "decided")] == [1, 2, 3, 4]
    under_way = most = 0
    for kind in found:
        under_way += {"proposed": 1, "decided": -1}.get(kind, 0)
        most = max(most, under_way)
    assert most == 2


def test_each_has_its_share_of_the_cpus(run: Path) -> None:
    share = max(1, (os.cpu_count() or 1) // 2)
    envelopes = [body["envelope"] for body in bodies(run, "evaluated")]
    rooms = [room for envelope in envelopes for room in envelope["rooms"]]
    assert len(rooms) == 2 * sum(len(envelope["stages"]) for envelope in envelopes)
    assert {room["inspected"]["cpus"] for room in rooms} == {share}


def test_it_is_audited_and_its_candidates_come_out_the_same_alone(run: Path) -> None:
    assert fumehood_cli("audit", str(run)).returncode == 0
    done = fumehood_cli("replay", str(run), "--iteration", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "bit_by_bit"
    assert journal(run)[0]["body"]["settings"]["parallel"] == 2
