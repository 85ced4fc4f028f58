"""A room seen by the engine while it lives, and seen by a candidate that tries what it can from within."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from fumehood.errors import EngineError
from fumehood.rooms import Weights
from fumehood.sandbox.exchange import Outgoing
from fumehood.sandbox.room import Ending, Room
from fumehood_shared import paths
from integration import candidates
from integration.lab import MIB, Lab, Traces, processes_of, tightened, wait_until

pytestmark = pytest.mark.integration


def give_job(lab: Lab, room: Room, source: str) -> None:
    request = lab.request(room).model_dump_json().encode()
    room.send([Outgoing(paths.REQUEST, request), Outgoing(paths.SOURCE, source.encode())])


@pytest.fixture(scope="module")
def probe(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a candidate found when it looked around and tried things, as it told itself."""
    ended = lab.train(candidates.PROBE)
    assert ended.outcome.reports[0].failure is None, ended.outcome.reports[0].failure
    said = re.search(r"^PROBE (.*)$", ended.outcome.log, re.MULTILINE)
    assert said
    return {**json.loads(said[1]), "room uid": ended.traces.uid}


def test_the_engine_confirms_every_wall_of_a_live_room(lab: Lab) -> None:
    with lab.host.room("train", lab.volume) as room:
        room.ready()
        seen = lab.host.api.inspect_container(room.cage.name)
    host, config = seen["HostConfig"], seen["Config"]
    limits = room.cage.limits
    assert seen["State"]["Running"]
    assert config["User"] == f"{room.cage.uid}:{room.cage.uid}"
    assert config["StdinOnce"]
    assert host["NetworkMode"] == "none"
    assert set(seen["NetworkSettings"]["Networks"]) <= {"none"}
    assert host["ReadonlyRootfs"]
    assert not host["Privileged"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    privileges, seccomp = host["SecurityOpt"]
    assert privileges == "no-new-privileges"
    assert json.loads(seccomp.removeprefix("seccomp="))["defaultAction"] == "SCMP_ACT_ERRNO"
    assert host["Memory"] == host["MemorySwap"] == limits.memory
    assert host["PidsLimit"] == limits.pids
    assert host["NanoCpus"] == round(room.cage.cpus * 1e9)
    assert not host["Binds"]
    assert not host["Devices"]
    assert host["PidMode"] == host["UTSMode"] == ""
    assert host["IpcMode"] == "private"
    assert host["LogConfig"]["Type"] == "none"
    mounts = {(m["Type"], m["Destination"], m["RW"]) for m in seen["Mounts"]}
    assert mounts == {("volume", "/exchange", True), ("volume", "/handover", True), ("volume", "/data", False)}


def test_a_candidate_is_nobody_with_no_rights(probe: dict[str, Any]) -> None:
    uid = str(probe["room uid"])
    assert probe["Uid"].split() == [uid] * 4
    assert probe["Gid"].split() == [uid] * 4
    assert probe["Groups"].split() in ([], [uid])
    assert probe["NoNewPrivs"] == "1"
    assert probe["Seccomp"] == "2"
    assert {probe[f"Cap{kind}"] for kind in ("Eff", "Prm", "Inh", "Bnd", "Amb")} == {"0" * 16}


def test_a_candidate_sees_only_itself_and_its_supervisor(probe: dict[str, Any]) -> None:
    assert probe["pids"] == [1, probe["own"]]
    assert probe["descriptors"] == [0, 1, 2]


def test_a_candidate_sees_no_network_and_no_engine(probe: dict[str, Any]) -> None:
    assert probe["interfaces"] == ["lo"]
    assert probe["engine sockets"] == []
    assert probe["unix sockets"] == []


def test_the_environment_of_the_controller_does_not_reach_a_candidate(probe: dict[str, Any]) -> None:
    assert "CANARY" not in probe["initial"]
    assert not {"FUMEHOOD_TEST_CANARY", "DOCKER_HOST", "PYTHONPATH"} & set(probe["environment"])


def test_a_room_hands_a_candidate_one_variable_of_ours(probe: dict[str, Any]) -> None:
    assert probe["initial"] == "PYTHONHASHSEED=0\0"


def test_a_candidate_finds_no_mount_but_the_agreed_ones(probe: dict[str, Any]) -> None:
    kernel = ("/proc", "/sys", "/dev")
    files = {"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"}
    ours = {mount for mount in probe["mounts"] if not mount.startswith(kernel)}
    assert ours - files == {"/", "/tmp", "/exchange", "/handover", "/data"}


def test_every_attempt_to_reach_out_fails(probe: dict[str, Any]) -> None:
    attempts = probe["attempts"]
    assert len(attempts) == 18
    assert {name: said for name, said in attempts.items() if said.startswith("succeeded")} == {}


def test_signals_to_the_supervisor_change_nothing(lab: Lab, tmp_path: Path) -> None:
    ended = lab.train(candidates.SIGNALS)
    assert ended.outcome.reports[0].failure is None
    assert json.loads(ended.outcome.log.split()[-1]) == [19, 2, 15, 1, 3, 9]
    assert isinstance(ended.weights[0], Weights)


def test_daemons_of_a_candidate_are_dead_when_the_room_reports(lab: Lab) -> None:
    with lab.host.room("train", lab.volume) as room:
        room.ready()
        traces = Traces.of(lab.host.api, room)
        give_job(lab, room, candidates.DAEMONS)
        assert room.work(60.0) is Ending.REPORTED
        assert len(processes_of(traces.uid)) == 1
        table = lab.host.api.top(traces.container)["Processes"]
        assert len(table) == 1
    assert traces.left(lab.host.api) == []


def test_a_room_ends_by_itself_when_its_lifeline_breaks(lab: Lab) -> None:
    """As it does when the controller is killed: nobody removes it, and still no process of it goes on."""
    with lab.host.room("train", lab.volume) as room:
        room.ready()
        traces = Traces.of(lab.host.api, room)
        give_job(lab, room, candidates.ENDLESS)
        stream = room._expect_stream
        stream.say("go")
        assert wait_until(lambda: len(processes_of(traces.uid)) == 2, 10.0)
        began = time.monotonic()
        stream.close()
        assert wait_until(lambda: not processes_of(traces.uid), 10.0)
        assert time.monotonic() - began < 5.0


def test_rooms_differ_in_user_and_share_no_volume(lab: Lab) -> None:
    with lab.host.room("train", lab.volume) as train, lab.host.room("predict") as predict:
        seen = lab.host.api.inspect_container(predict.cage.name)
        assert train.cage.uid != predict.cage.uid
        assert train.cage.exchange != predict.cage.exchange
        assert [m["Destination"] for m in seen["Mounts"]] == ["/exchange"]


def test_what_does_not_fit_into_a_room_is_not_sent_and_not_held_against_a_candidate(lab: Lab) -> None:
    small = lab.under(tightened(lab.host.policy, exchange=16 * MIB))
    with small.host.room("train", lab.volume) as room:
        room.ready()
        room.send([Outgoing("half", bytes(8 * MIB))])
        with pytest.raises(EngineError, match="do not fit into the train room's exchange volume"):
            room.send([Outgoing("rest", bytes(8 * MIB + 1))])
