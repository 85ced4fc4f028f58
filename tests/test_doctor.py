"""The doctor's judgements on what engines and environments tell of themselves."""

import tomllib
from pathlib import Path

import pytest

from fumehood import doctor, policy
from fumehood.doctor import Check, numbers
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
    return {check.name: check for check in doctor.judge_engine(INFO | changes, limits)}


def versions(**changes):
    return {check.name: check for check in doctor.judge_versions(VERSIONS | changes)}


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
    assert doctor.runc_check(text).status == status


@pytest.mark.parametrize(
    ("text", "status"),
    [("NVIDIA Container Toolkit CLI version 1.17.7\ncommit: 1.99.0", "warn"), ("version 1.17.8", "ok"), ("", "warn")],
)
def test_nvidia_s_toolkit_is_held_against_its_advisory(text, status):
    assert doctor.toolkit_check(text).status == status


def test_an_old_engine_is_warned_about():
    assert "20.10.24" in only(versions(Version="20.10.24+dfsg1"), "engine version", "warn").seen


def test_an_old_podman_is_warned_about_as_podman():
    podman = {"Components": [{"Name": "Podman Engine", "Version": "4.3.1"}], "Version": "4.3.1", "ApiVersion": "1.41"}
    assert "Podman before 5.4" in only(versions(**podman), "engine version", "warn").hint


@pytest.mark.parametrize("text", ["1.40", "1.9", "", "none"])
def test_an_interface_too_old_fails(text):
    only(versions(ApiVersion=text), "API version", "fail")


@pytest.mark.parametrize("text", ["1.41", "1.50", "2.0"])
def test_an_interface_new_enough_passes(text):
    assert versions(ApiVersion=text)["API version"].status == "ok"


def test_a_rootless_engine_on_cgroup_v1_enforces_nothing():
    options = ["name=rootless", "name=seccomp,profile=builtin", "name=apparmor"]
    failed = only(judged(SecurityOptions=options, CgroupVersion="1"), "limits", "fail")
    assert "limits are ignored" in failed.seen
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
    assert "runsc" in only(judged(gvisor), "runtime", "fail").hint
    assert judged(gvisor, Runtimes={"runc": {}, "runsc": {}})["runtime"].status == "ok"


def test_a_copying_storage_driver_is_a_warning():
    only(judged(Driver="vfs"), "storage", "warn")


def test_memory_is_held_against_the_rooms_that_live_together():
    need = STANDARD.train.host_bytes + STANDARD.predict.host_bytes
    assert doctor.memory_check(need, STANDARD).status == "ok"
    assert doctor.memory_check(need - 1, STANDARD).status == "warn"
    only(judged(MemTotal=2**30), "memory", "warn")


def test_one_cpu_is_a_warning():
    only(judged(NCPU=1), "CPUs", "warn")


def test_an_engine_that_tells_nothing_passes_nothing_silently():
    statuses = {check.name: check.status for check in doctor.judge_engine({}, STANDARD)}
    assert [name for name, status in statuses.items() if status == "fail"] == ["limits", "seccomp", "runtime"]
    assert statuses["memory"] == "warn"
    assert {check.status for check in doctor.judge_versions({})} == {"warn", "fail"}


@pytest.mark.parametrize(
    ("pattern", "status"), [("core\n", "ok"), ("/var/core.%p", "ok"), ("|/usr/lib/crash %p\n", "warn"), ("|", "warn")]
)
def test_a_piped_core_pattern_is_a_warning(pattern, status):
    assert doctor.core_pattern_check(pattern).status == status


def test_a_pth_file_that_runs_unknown_code_is_named():
    check = doctor.pth_check({"usual.pth": list(doctor.USUAL_PTH), "paths.pth": [], "odd.pth": ["import os; os.x()"]})
    assert (check.status, check.seen) == ("warn", "odd.pth")
    assert doctor.pth_check({"usual.pth": [line + ";" for line in doctor.USUAL_PTH]}).status == "ok"


def test_stolen_and_absent_packages_fail():
    there = dict.fromkeys(doctor.PACKAGES, "1.0")
    assert doctor.packages_check(there | {"litellm": None}).status == "ok"
    assert doctor.packages_check(there | {"litellm": "1.82.8"}).status == "fail"
    assert "scipy" in doctor.packages_check(there | {"scipy": None}).hint


def test_only_declared_packages_are_asked_for():
    pyproject = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    declared = {text.partition(">")[0].partition("=")[0] for text in pyproject["project"]["dependencies"]}
    assert set(doctor.PACKAGES) <= declared


def test_disks_are_judged_by_what_is_free(tmp_path):
    assert doctor.disk_check("disk", tmp_path, enough=1, needed=1).status == "ok"
    assert doctor.disk_check("disk", tmp_path, enough=2**70, needed=1).status == "warn"
    assert doctor.disk_check("disk", tmp_path, enough=2**70, needed=2**69).status == "fail"
    assert doctor.disk_check("disk", tmp_path / "nowhere", enough=1, needed=1).status == "warn"


def test_only_a_socket_is_this_machine():
    assert doctor.is_local(Endpoint("unix:///var/run/docker.sock", "test"))
    assert not doctor.is_local(Endpoint("tcp://gpu-server:2376", "test"))
    assert not doctor.is_local(Endpoint("ssh://gpu-server", "test"))


def test_only_a_failure_fails_the_whole():
    assert doctor.passed([Check(name="a", status="ok", seen=""), Check(name="b", status="warn", seen="")])
    assert not doctor.passed([Check(name="a", status="ok", seen=""), Check(name="b", status="fail", seen="")])


@pytest.mark.parametrize(
    ("text", "found"), [("1.1.5+ds1", (1, 1, 5)), ("v1.41", (1, 41)), ("runc 1.2", (1, 2)), ("7", ()), ("", ())]
)
def test_version_numbers_are_found_in_text(text, found):
    assert numbers(text) == found


def test_without_an_engine_the_rest_is_still_examined(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    checks = {check.name: check for check in doctor.examine(STANDARD, tmp_path)}
    assert checks["engine"].status == "fail"
    assert "rootless Docker" in checks["engine"].hint
    assert {"disk of this folder", "state folder", "Python", "packages", ".pth files"} <= set(checks)
