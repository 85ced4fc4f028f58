"""An engine that cannot hold a policy's limits is refused by its own account, before a room is asked for."""

from pathlib import Path
from typing import Any

import pytest
from cages import a_cage, inspected
from fake_engine import INFO, VERSION, answering

from fumehood import policy
from fumehood.errors import EngineError
from fumehood.sandbox import cage, capability
from fumehood.sandbox.host import open_host

pytestmark = pytest.mark.unit
STANDARD = policy.load("standard")
ROOTLESS = ["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"]
PODMAN = {"Version": "4.3.1", "ApiVersion": "1.41", "Components": [{"Name": "Podman Engine", "Version": "4.3.1"}]}
INCAPABLE: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "rootless on cgroup v1": (
        {"SecurityOptions": ROOTLESS, "CgroupVersion": "1", "CgroupDriver": "none"},
        {},
        "a rootless engine limits nothing on cgroup v1",
        "systemd.unified_cgroup_hierarchy=1",
    ),
    "rootless on cgroup v1 that claims a driver": (
        {"SecurityOptions": ROOTLESS, "CgroupVersion": "1", "CgroupDriver": "cgroupfs"},
        {},
        "a rootless engine limits nothing on cgroup v1",
        "engine that runs as root",
    ),
    "rootless without delegation": (
        {"SecurityOptions": ROOTLESS, "CgroupDriver": "none"},
        {},
        "limits are ignored",
        "deleg",
    ),
    "no limit on processes": ({"SecurityOptions": ROOTLESS, "PidsLimit": False}, {}, "PidsLimit", "Delegate="),
    "no limit on swap": ({"SwapLimit": False}, {}, "swap cannot be limited", "swapaccount=1"),
    "no seccomp": ({"SecurityOptions": []}, {}, "filters no system calls", "kernel with seccomp"),
    "seccomp unconfined": ({"SecurityOptions": ["name=seccomp,profile=unconfined"]}, {}, "unconfined", "switched on"),
    "no runc": ({"Runtimes": {"crun": {}}}, {}, "needs the runtime runc, and the engine has crun", "register it"),
    "an old interface": ({}, {"ApiVersion": "1.40"}, "API 1.40 is older than 1.41", "update"),
    "Podman": ({}, PODMAN, "Podman 4.3.1 takes a seccomp profile only as a path", "use Docker Engine"),
    "a description without content": (dict.fromkeys(INFO), {}, "limits are ignored", "root"),
}


def test_an_engine_that_can_do_everything_has_no_problem() -> None:
    assert capability.problems(INFO, VERSION, STANDARD) == []


def test_a_rootless_engine_on_cgroup_v2_has_no_problem() -> None:
    assert capability.problems({**INFO, "SecurityOptions": ROOTLESS}, VERSION, STANDARD) == []


@pytest.mark.parametrize("name", INCAPABLE)
def test_a_run_is_refused_with_the_reason_and_what_would_help(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info, version, why, help_ = INCAPABLE[name]
    asked: list[str] = []
    with answering(tmp_path / "s", info={**INFO, **info}, version={**VERSION, **version}, asked=asked) as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        with pytest.raises(EngineError) as refused:
            open_host(STANDARD, "run").__enter__()
    assert refused.value.exit_code == 6
    assert why in refused.value.what
    assert help_ in refused.value.hint
    assert [request for request in asked if not request.endswith(("/_ping", "/info", "/version"))] == []


def test_a_capable_engine_is_asked_for_the_image_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the same engine without a flaw gets past this point."""
    asked: list[str] = []
    with answering(tmp_path / "s", asked=asked) as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        with pytest.raises(EngineError, match="image is not on the engine"):
            open_host(STANDARD, "run").__enter__()
    assert any("/images/json" in request for request in asked)


def test_every_reason_is_told() -> None:
    with pytest.raises(EngineError) as refused:
        capability.require({}, {}, policy.load("strict"))
    assert [words for words in ("API", "limits", "system calls", "runsc") if words not in refused.value.what] == []


def test_what_podman_made_of_a_room_is_not_taken_for_one() -> None:
    """As Podman 4.3.1 reported a room that it was asked for by path, without the options that it refuses outright."""
    asked = a_cage(data=None)
    container, volumes = inspected(asked)
    container["HostConfig"] |= {"Runtime": "oci", "IpcMode": "shareable", "CgroupnsMode": "", "PidMode": "private"}
    container["Config"] |= {"StdinOnce": False, "AttachStdin": False, "NetworkDisabled": None}
    volumes[0] |= {"Options": {}, "Labels": {}}
    fields = {problem.partition(":")[0] for problem in cage.differences(asked, container, volumes)}
    assert fields >= {"HostConfig.Runtime", "HostConfig.IpcMode", "Config.StdinOnce", "Volume.Options", "Volume.Labels"}
