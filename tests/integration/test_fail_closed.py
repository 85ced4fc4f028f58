"""An engine that does not do what the policy asks, or lies about it: refused by name, before anything foreign enters.

The engine here is the real one behind a thin proxy that alters one thing: what it is asked, or what it answers.
"""

import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import docker
import pytest

from fumehood import rooms
from fumehood.errors import EngineError
from fumehood.sandbox.host import Host
from integration import candidates
from integration.lab import Lab, Traces, events

pytestmark = pytest.mark.integration

Change = Callable[[dict[str, Any]], object]


def nothing(_: dict[str, Any]) -> None:
    """No change."""


@dataclass(frozen=True)
class Altered:
    """The engine's client with requests and answers altered on their way."""

    real: docker.APIClient
    request: Change = nothing
    container: Change = nothing
    volume: Change = nothing
    sent: bytearray = field(default_factory=bytearray)
    """Everything that went to a room's standard input."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def attach_socket(self, name: str, params: dict[str, int]) -> Any:
        return Overheard(self.real.attach_socket(name, params=params), self.sent)

    def create_container_from_config(self, body: dict[str, Any], name: str) -> Any:
        self.request(body)
        return self.real.create_container_from_config(body, name)

    def inspect_container(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.real.inspect_container(name)
        self.container(answer)
        return answer

    def inspect_volume(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.real.inspect_volume(name)
        self.volume(answer)
        return answer


class Overheard:
    """A connection, and its own socket, with a note of what is sent."""

    def __init__(self, connection: Any, sent: bytearray) -> None:
        self._connection, self._noted = connection, sent
        self._sock = self

    def __getattr__(self, name: str) -> Any:
        of_socket = name in ("recv", "makefile", "settimeout", "setsockopt", "shutdown")
        return getattr(self._connection._sock if of_socket else self._connection, name)

    def sendall(self, content: bytes) -> None:
        self._noted += content
        self._connection._sock.sendall(content)


def host_config(**fields: Any) -> Change:
    return lambda thing: thing["HostConfig"].update(fields)


def config(**fields: Any) -> Change:
    return lambda thing: thing["Config"].update(fields)


ANSWERS: list[tuple[str, Change]] = [
    ("HostConfig.Memory:", host_config(Memory=0)),
    ("HostConfig.MemorySwap:", host_config(MemorySwap=-1)),
    ("HostConfig.PidsLimit:", host_config(PidsLimit=None)),
    ("HostConfig.NanoCpus:", host_config(NanoCpus=0)),
    ("HostConfig.NetworkMode:", host_config(NetworkMode="bridge")),
    ("HostConfig.ReadonlyRootfs:", host_config(ReadonlyRootfs=False)),
    ("HostConfig.CapDrop:", host_config(CapDrop=None)),
    ("HostConfig.CapAdd:", host_config(CapAdd=["SYS_ADMIN"])),
    ("HostConfig.SecurityOpt:", host_config(SecurityOpt=["no-new-privileges", "seccomp=unconfined"])),
    ("HostConfig.Privileged:", host_config(Privileged=True)),
    ("HostConfig.Binds:", host_config(Binds=["/:/host"])),
    ("HostConfig.Devices:", host_config(Devices=[{"PathOnHost": "/dev/sda"}])),
    ("HostConfig.DeviceRequests:", host_config(DeviceRequests=[{"Driver": "nvidia", "Count": -1}])),
    ("HostConfig.PidMode:", host_config(PidMode="host")),
    ("HostConfig.IpcMode:", host_config(IpcMode="host")),
    ("HostConfig.UsernsMode:", host_config(UsernsMode="host")),
    ("HostConfig.Runtime:", host_config(Runtime="crun")),
    ("HostConfig.Ulimits:", host_config(Ulimits=[])),
    ("HostConfig.Tmpfs:", host_config(Tmpfs={"/tmp": "rw"})),
    ("HostConfig.LogConfig:", host_config(LogConfig={"Type": "json-file", "Config": {}})),
    ("HostConfig.OomKillDisable:", host_config(OomKillDisable=True)),
    ("Config.User:", config(User="")),
    ("Config.StdinOnce:", config(StdinOnce=False)),
    ("Config.Entrypoint:", config(Entrypoint=["/bin/sh"])),
    ("Config.Env: NVIDIA_VISIBLE_DEVICES is set", config(Env=["NVIDIA_VISIBLE_DEVICES=all"])),
    ("Config.Env: LD_PRELOAD is set", config(Env=["LD_PRELOAD=/exchange/x.so"])),
    ("Image:", lambda thing: thing.update(Image="sha256:" + "0" * 64)),
    ("Mounts:", lambda thing: thing["Mounts"][0].update(RW=not thing["Mounts"][0]["RW"])),
    (
        "Mounts:",
        lambda thing: thing["Mounts"].append({"Type": "bind", "Source": "/", "Destination": "/host", "RW": False}),
    ),
]


def actions(host: Host, since: float, name: str) -> set[str]:
    """What the engine noted about the container of that name."""
    return {event["Action"] for event in events(host.api, since, container=name)}


@pytest.mark.parametrize(("field", "change"), ANSWERS, ids=[f"{i}-{case[0]}" for i, case in enumerate(ANSWERS)])
def test_an_engine_that_answers_otherwise_than_asked_starts_nothing(lab: Lab, field: str, change: Change) -> None:
    since = time.time()
    room = replace(lab.host, api=Altered(lab.host.api, container=change)).room("train", lab.volume)
    with pytest.raises(EngineError) as caught, room:
        pytest.fail("the room was entered")
    assert field in caught.value.what
    assert caught.value.exit_code == 6
    seen = actions(lab.host, since, room.cage.name)
    assert {"create", "destroy"} <= seen
    assert "start" not in seen


@pytest.mark.parametrize(
    "change",
    [
        lambda volume: volume.update(Options=None),
        lambda volume: volume["Options"].update(o=volume["Options"]["o"].replace("noexec,", "")),
        lambda volume: volume.update(Driver="nfs"),
        lambda volume: volume.update(Labels={}),
    ],
    ids=["no options", "executable", "driver", "labels"],
)
def test_an_exchange_volume_other_than_asked_starts_nothing(lab: Lab, change: Change) -> None:
    since = time.time()
    room = replace(lab.host, api=Altered(lab.host.api, volume=change)).room("train", lab.volume)
    with pytest.raises(EngineError, match=r"Volume\."), room:
        pytest.fail("the room was entered")
    assert "start" not in actions(lab.host, since, room.cage.name)


def lying(host: Host, request: Change) -> Altered:
    """An engine that sets something else than asked and then reports what was asked."""
    asked: dict[str, Any] = {}

    def deviate(body: dict[str, Any]) -> None:
        asked.update(HostConfig=dict(body["HostConfig"]))
        request(body)

    def pretend(answer: dict[str, Any]) -> None:
        answer["HostConfig"] = dict(asked["HostConfig"])
        answer["Mounts"] = [mount for mount in answer["Mounts"] if mount["Type"] == "volume"]

    return Altered(host.api, request=deviate, container=pretend)


def _set(**fields: Any) -> Change:
    return lambda body: body["HostConfig"].update(fields)


DEVIATIONS: list[tuple[str, Change]] = [
    ("memory_limit", _set(Memory=2**30 + 2**20, MemorySwap=2**30 + 2**20)),
    ("pids_limit", _set(PidsLimit=0)),
    ("root_writable", _set(ReadonlyRootfs=False)),
    ("seccomp", _set(SecurityOpt=["no-new-privileges", "seccomp=unconfined"])),
    ("no_new_privs", _set(SecurityOpt=[])),
    ("cap_bounding", _set(CapDrop=[])),
    ("rlimits.fsize", _set(Ulimits=[])),
    ("mounts: /tmp", _set(Tmpfs={"/tmp": "rw,exec"})),
]


@pytest.mark.parametrize(("field", "request_change"), DEVIATIONS, ids=[case[0] for case in DEVIATIONS])
def test_an_engine_that_lies_is_found_out_from_inside_before_foreign_bytes_enter(
    lab: Lab, tmp_path: Path, field: str, request_change: Change
) -> None:
    engine = lying(lab.host, request_change)
    room = replace(lab.host, api=engine).room("train", lab.volume)
    with room:
        traces = Traces.of(lab.host.api, room)
        with pytest.raises(EngineError) as caught:
            rooms.train(room, lab.request(room), candidates.LINEAR)
    assert "does not see what the policy asks" in caught.value.what
    assert field in caught.value.what
    assert not re.search(rb"put |go\n", engine.sent)
    assert traces.left(lab.host.api) == []


def test_a_gpu_node_a_driver_file_and_a_socket_that_were_not_granted_are_found_from_inside(
    lab: Lab, tmp_path: Path
) -> None:
    library, end = tmp_path / "library", tmp_path / "socket"
    library.write_bytes(b"x")
    node = {"PathOnHost": "/dev/null", "PathInContainer": "/dev/nvidia0", "CgroupPermissions": "rwm"}
    binds = [f"{library}:/usr/lib/x86_64-linux-gnu/libcuda.so.1:ro", f"{end}:/run/nvidia-persistenced/socket"]
    room = replace(lab.host, api=lying(lab.host, _set(Devices=[node], Binds=binds))).room("train", lab.volume)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(end))
        with room, pytest.raises(EngineError) as caught:
            room.ready()
    assert "devices: nvidia0 is not expected" in caught.value.what
    assert "mounts: /usr/lib/x86_64-linux-gnu/libcuda.so.1 (" in caught.value.what
    assert "mounts: /run/nvidia-persistenced/socket is a socket" in caught.value.what
    assert "cuda: expected None, seen 'AssertionError: Torch not compiled with CUDA" in caught.value.what


def test_the_control_shows_that_bytes_that_enter_are_noted(lab: Lab) -> None:
    engine = Altered(lab.host.api)
    replace(lab, host=replace(lab.host, api=engine)).train(candidates.LINEAR)
    assert re.findall(rb"put \S+(?= \d+\n)|go\n", engine.sent) == [b"put request.json", b"put model.py", b"go\n"]
