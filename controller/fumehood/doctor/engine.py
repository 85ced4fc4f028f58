"""The container engine: does it answer, and can it enforce the policy? The judgements are pure."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import docker

from fumehood.doctor import advisories, machine
from fumehood.doctor.check import GIB, Check, from_error, gib
from fumehood.errors import EngineError
from fumehood.policy import Policy
from fumehood.sandbox import capability, engine, gpus, image, reaper
from fumehood.sandbox.room import engine_errors

_SUBJECTS: Final = ("interface", "limits", "seccomp", "runtime")


def checks(policy: Policy) -> Iterator[Check]:
    """Everything about the engine that a run under ``policy`` would rely on."""
    try:
        endpoint, client = engine.reach()
        with engine_errors("describing itself"):
            info, version, name = client.info(), client.version(), engine.describe(client)
    except EngineError as error:
        yield from_error("engine", error)
        return
    yield Check(name="engine", status="ok", seen=f"{name} at {endpoint.url} ({endpoint.source})")
    yield from advisories.judge(version)
    yield from enforcement(info, version, policy)
    yield from judge_host(info, policy)
    yield from (Check(**found._asdict()) for found in gpus.examine(info, policy, local=endpoint.is_local))
    yield image_check(client)
    yield litter_check(client.api)
    if endpoint.is_local:
        yield from _local(info)


def _local(info: Mapping[str, Any]) -> Iterator[Check]:
    root = Path(info.get("DockerRootDir") or "/")
    yield machine.disk_check("disk of the engine", root, enough=10 * GIB, needed=GIB)
    yield machine.core_pattern_check(Path("/proc/sys/kernel/core_pattern").read_text())
    if program := shutil.which("nvidia-ctk"):
        yield advisories.toolkit_check(advisories.output_of([program, "--version"]))


def enforcement(info: Mapping[str, Any], version: Mapping[str, Any], policy: Policy) -> list[Check]:
    """The engine's own account against what the policy asks of it: what fails here is what a run is refused for."""
    wrong = {problem.subject: problem for problem in capability.problems(info, version, policy)}
    good = {
        "interface": f"API {version.get('ApiVersion', '')}",
        "limits": f"{capability.cgroups(info)}: memory, CPU time and processes can be limited",
        "seccomp": capability.security_options(info).get("seccomp") or "on",
        "runtime": f"{', '.join(capability.runtimes(info))}; policy {policy.name} needs {policy.runtime}",
    }
    return [
        Check(name=subject, status="fail", seen=wrong[subject].what, hint=wrong[subject].hint)
        if subject in wrong
        else Check(name=subject, status="ok", seen=good[subject])
        for subject in _SUBJECTS
    ]


def judge_host(info: Mapping[str, Any], policy: Policy) -> Iterator[Check]:
    """The machine of the engine, as the engine describes it."""
    options = capability.security_options(info)
    yield _rights(options)
    yield _second_wall(options)
    yield _storage(info)
    yield memory_check(int(info.get("MemTotal") or 0), policy)
    yield _cpus(int(info.get("NCPU") or 0), policy)


def image_check(client: docker.DockerClient) -> Check:
    """Is the image of the present sources there, and what was it built on?"""
    try:
        found = image.find(client).sandbox
    except EngineError as error:
        return from_error("image", error)
    return Check(name="image", status="ok", seen=f"{found.tag} on {found.base}")


def litter_check(api: docker.APIClient) -> Check:
    """Did a run that is dead leave something on the engine?"""
    try:
        litter = reaper.find(api)
    except EngineError as error:
        return from_error("litter", error)
    if not litter:
        return Check(name="litter", status="ok", seen="nothing left by dead runs")
    seen = f"{len(litter.containers)} containers and {len(litter.volumes)} volumes of dead runs"
    return Check(name="litter", status="warn", seen=seen, hint="fumehood gc")


def _rights(options: Mapping[str, str]) -> Check:
    if "rootless" in options:
        return Check(name="rights", status="ok", seen="rootless engine")
    seen = "engine runs as root" + (", with user namespaces" if "userns" in options else "")
    return Check(name="rights", status="ok", seen=f"{seen}: whoever may use its socket is root here")


def _second_wall(options: Mapping[str, str]) -> Check:
    on = [name for name in ("apparmor", "selinux") if name in options]
    if on:
        return Check(name="access control", status="ok", seen=", ".join(on))
    hint = "a second wall behind the first: enable AppArmor or SELinux in kernel and engine where you can"
    return Check(name="access control", status="warn", seen="neither AppArmor nor SELinux", hint=hint)


def _storage(info: Mapping[str, Any]) -> Check:
    driver = str(info.get("Driver") or "unknown")
    if driver in ("vfs", "devicemapper", "aufs"):
        hint = "it copies whole images or is no longer maintained: prefer overlay2"
        return Check(name="storage", status="warn", seen=driver, hint=hint)
    return Check(name="storage", status="ok", seen=driver)


def memory_check(total: int, policy: Policy) -> Check:
    """A train room and its predict room live at the same time; a prepare room lives alone."""
    seen = f"{gib(total)} on the engine's host; rooms of policy {policy.name} may use {gib(policy.host_bytes)}"
    if total >= policy.host_bytes:
        return Check(name="memory", status="ok", seen=seen)
    hint = "large models may be ended for want of memory: a policy with smaller rooms, or a larger host"
    return Check(name="memory", status="warn", seen=seen, hint=hint)


def _cpus(count: int, policy: Policy) -> Check:
    seen = f"{count}; a train room gets {min(policy.train.cpus, float(count)):g}"
    if count > 1:
        return Check(name="CPUs", status="ok", seen=seen)
    return Check(name="CPUs", status="warn", seen=seen, hint="seeds run one after another: more CPUs are faster")
