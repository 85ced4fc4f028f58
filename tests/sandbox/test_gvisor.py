"""Rooms under gVisor: what it does not show is accepted, what it shows must be right, and a run works to its end."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest
from cages import a_cage, attested
from containers import client, run
from fake_engine import INFO, answering

from fumehood import policy
from fumehood.errors import EngineError
from fumehood.sandbox import attestation
from fumehood.sandbox.cage import Cage
from fumehood.sandbox.host import open_host
from fumehood_shared import paths
from fumehood_shared.messages import Attestation, MountFact

__all__ = ["client"]

CAGE = replace(a_cage(), runtime="runsc")
LOOK = """
import json, os, pathlib, resource, socket
def tried(action):
    try:
        action()
    except OSError as error:
        return error.strerror
    return "ok"
def fill(path, size):
    def write():
        with open(path, "wb") as file:
            for _ in range(size >> 20):
                file.write(bytes(1 << 20))
    return write
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
print(json.dumps({
    "uid": os.getuid(), "kernel": os.uname().release, "pids": [p for p in os.listdir("/proc") if p.isdigit()],
    "root": tried(lambda: open("/opt/fumehood/x", "w")), "raw": tried(lambda: socket.socket(17, 3)),
    "net": tried(lambda: socket.create_connection(("192.0.2.1", 80), 3)),
    "chroot": tried(lambda: os.chroot("/tmp")),
    "tmp": tried(fill("/tmp/x", 300 << 20)),
    "sparse": tried(lambda: os.ftruncate(os.open("/exchange/x", os.O_CREAT | os.O_RDWR), 1 << 40)),
}))
"""


def gvisor_sees(cage: Cage, **changes: Any) -> Attestation:
    """What Debian's runsc 20221219 shows of a room that is as asked."""
    mounts = [
        MountFact(path="/", fstype="9p", options=("ro",)),
        MountFact(path="/dev", fstype="tmpfs", options=("rw",)),
        MountFact(path="/sys", fstype="sysfs", options=("noexec", "ro")),
        MountFact(path="/tmp", fstype="tmpfs", options=("noexec", "rw")),
        MountFact(path="/proc", fstype="proc", options=("noexec", "rw")),
        MountFact(path="/dev/shm", fstype="tmpfs", options=("noexec", "rw")),
        MountFact(path=paths.EXCHANGE, fstype="9p", options=("rw",)),
        MountFact(path=paths.DATA, fstype="9p", options=("ro",)),
        MountFact(path=paths.HANDOVER, fstype="9p", options=("rw",)),
    ]
    hidden = {"no_new_privs": None, "seccomp": 0, "cap_ambient": "", "memory_limit": None, "pids_limit": None}
    shown = {"root_writable": True, "kernel": "4.4.0", "devices": ("fuse", "net/tun", "null"), "mounts": tuple(mounts)}
    return attested(cage, **(hidden | shown | changes))


def found(**changes: Any) -> list[str]:
    return attestation.differences(CAGE, gvisor_sees(CAGE, **changes))


@pytest.mark.unit
def test_a_room_as_gvisor_shows_it_is_accepted() -> None:
    assert found() == []


@pytest.mark.unit
def test_the_same_account_is_refused_where_the_policy_asks_for_runc() -> None:
    fields = {problem.partition(":")[0] for problem in attestation.differences(a_cage(), gvisor_sees(a_cage()))}
    assert fields >= {"no_new_privs", "seccomp", "cap_ambient", "root_writable", "memory_limit", "pids_limit", "mounts"}


@pytest.mark.unit
@pytest.mark.parametrize("release", ["6.1.0-18-amd64", "4.4.1", ""])
def test_another_kernel_than_gvisors_is_named(release: str) -> None:
    assert found(kernel=release)[0].startswith("kernel: expected")


@pytest.mark.unit
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("no_new_privs", 0),
        ("seccomp", 1),
        ("memory_limit", 1 << 40),
        ("pids_limit", 7),
        ("uid", 0),
        ("cap_effective", "00000000a80425fb"),
        ("cap_bounding", ""),
        ("cap_ambient", "0000000000000001"),
        ("interfaces", ("eth0", "lo")),
        ("dumpable", 1),
        ("environment", ("LD_PRELOAD",)),
        ("exchange_bytes", 1),
        ("devices", ("nvidia0",)),
    ],
)
def test_what_gvisor_shows_must_be_right(field: str, value: object) -> None:
    assert found(**{field: value})[0].startswith(f"{field}:")


@pytest.mark.unit
@pytest.mark.parametrize(("path", "option"), [("/", "ro"), (paths.DATA, "ro"), ("/sys", "ro"), ("/tmp", "noexec")])
def test_a_mount_option_that_gvisor_shows_is_demanded(path: str, option: str) -> None:
    mounts = [
        m.model_copy(update={"options": tuple(o for o in m.options if o != option)}) if m.path == path else m
        for m in gvisor_sees(CAGE).mounts
    ]
    assert found(mounts=tuple(mounts)) == [f"mounts: {path} lacks {option}"]


@pytest.mark.unit
def test_a_mount_that_was_not_asked_for_is_named() -> None:
    extra = MountFact(path="/host", fstype="9p", options=("ro",))
    assert found(mounts=(*gvisor_sees(CAGE).mounts, extra)) == ["mounts: /host (9p) is not expected"]


# ---- the engine ------------------------------------------------------------------------------------------------------


@pytest.mark.unit
def test_without_gvisor_a_strict_run_is_refused_and_nothing_else_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(tmp_path / "engine.sock", info=INFO | {"Runtimes": {"runc": {}}}) as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        with pytest.raises(EngineError, match="needs the runtime runsc, and the engine has runc") as refused:
            open_host(policy.load("strict"), "run").__enter__()
    assert refused.value.exit_code == 6
    assert "make gvisor" in refused.value.hint


@pytest.fixture
def gvisor(client: docker.DockerClient) -> docker.DockerClient:
    """The engine, with gVisor: root, who can register it, is not let off without."""
    if "runsc" not in client.info()["Runtimes"]:
        why = "the engine has no runtime runsc registered: `make gvisor`, as root"
        pytest.fail(why) if os.geteuid() == 0 else pytest.skip(why)
    return client


@pytest.mark.integration
def test_a_strict_room_is_gvisors_and_is_as_the_policy_asks(gvisor: docker.DockerClient) -> None:
    with open_host(policy.load("strict"), "test-gvisor") as host, host.room("predict") as room:
        seen = room.ready()
        container = gvisor.api.inspect_container(room.cage.name)
    assert container["HostConfig"]["Runtime"] == "runsc"
    assert container["HostConfig"]["Memory"] == int(policy.load("strict").predict.memory)
    assert seen.kernel != os.uname().release
    assert seen.interfaces == ("lo",)


@pytest.mark.integration
@pytest.mark.attacks
def test_a_program_under_gvisor_cannot_leave_write_the_root_or_fill_the_host(gvisor: docker.DockerClient) -> None:
    seen = json.loads(run(gvisor, LOOK, runtime="runsc"))
    assert seen["uid"] == 1_900_000_007
    assert seen["kernel"] != os.uname().release
    assert seen["pids"] == ["1"]
    assert seen["root"] in ("Read-only file system", "Permission denied")
    assert seen["raw"] == "Operation not permitted"
    assert seen["net"] in ("Network is unreachable", "No route to host")
    assert seen["chroot"] == "Operation not permitted"
    assert seen["sparse"] == "File too large"
    assert seen["tmp"] == "No space left on device"


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_under_the_strict_policy_works_to_its_end(gvisor: docker.DockerClient, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from fumehood.cli import main; main()", "run", "--goal", "Classify digits"]
    command += ["--data", "digits", "--policy", "strict", "--max-iterations", "1", "--num-seeds", "2", "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [*command, "--workdir", str(tmp_path / "run")], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    final = json.loads(done.stdout)["final"]
    assert final["mean"] > 0.9
    assert final["n_seeds"] == 2
