"""Can this machine do what a policy asks? Every question is one ``Check``: what was seen, and what to do about it.

``examine`` asks engine, system and environment; the functions below it judge what they answered and are pure. Nothing
is changed anywhere, and a check that cannot be made says so instead of passing. A ``fail`` means that a run would be
refused; a ``warn`` means that it runs with less speed, room or defence than it could have.
"""

import platform
import re
import shutil
import site
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Literal

import docker

from fumehood.errors import EngineError, FumehoodError
from fumehood.policy import Policy
from fumehood.records import Record
from fumehood.sandbox import engine, image, reaper
from fumehood.sandbox.engine import Endpoint
from fumehood.sandbox.host import state_folder
from fumehood.sandbox.room import engine_errors

Status = Literal["ok", "warn", "fail"]
GIB: Final = 1024**3

PACKAGES: Final = (
    "click", "docker", "filelock", "jinja2", "matplotlib", "numpy", "optuna", "platformdirs", "pydantic", "rich",
    "scikit-learn", "scipy", "structlog",
)  # fmt: skip
STOLEN: Final = {"litellm": ("1.82.7", "1.82.8")}
"""Releases that sent credentials away from whoever imported them."""
USUAL_PTH: Final = (
    "import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os.environ.get(var, 'local') == 'local'; "
    "enabled and __import__('_distutils_hack').add_shim()",
    "import _virtualenv",
)
"""Whole lines that setuptools and virtualenv put into every environment."""

_MIN_API: Final = (1, 41)
"""Private cgroup namespaces and one-shot statistics came with it."""
_RUNC_FIXES: Final = ((1, 2, 8), (1, 3, 3))
"""First releases without the container escapes CVE-2025-31133, -52565 and -52881, one per maintained series."""
_TOOLKIT_FIX: Final = (1, 17, 8)
"""First NVIDIA container toolkit without the container escape CVE-2025-23266."""
_DOCKER_SUPPORTED: Final = (25, 0, 0)
_PODMAN_WORKS: Final = (5, 4, 0)
"""Older ones refuse size options of tmpfs volumes, or drop device requests."""
_DISTRIBUTION: Final = "a distribution may carry the fix under an older number: see its security tracker; else update"
_SWITCHES: Final = ("MemoryLimit", "SwapLimit", "CpuCfsQuota", "PidsLimit")
"""Of the engine's own account: which limits its kernel lets it set."""


class Check(Record):
    """One question and its answer."""

    name: str
    status: Status
    seen: str
    hint: str = ""
    """What to do; empty where all is well."""


def examine(policy: Policy, cwd: Path) -> list[Check]:
    """Ask everything that a run under ``policy`` in the folder ``cwd`` would rely on."""
    return [*_engine_checks(policy), *_system_checks(cwd)]


def passed(checks: Iterable[Check]) -> bool:
    """Whether nothing is missing that a run needs."""
    return all(check.status != "fail" for check in checks)


# ---- asking --------------------------------------------------------------------------------------------------------


def _engine_checks(policy: Policy) -> Iterator[Check]:
    try:
        endpoint, client = engine.reach()
        with engine_errors("describing itself"):
            info, versions, name = client.info(), client.version(), engine.describe(client)
    except EngineError as error:
        yield _from_error("engine", error)
        return
    yield Check(name="engine", status="ok", seen=f"{name} at {endpoint.url} ({endpoint.source})")
    yield from judge_versions(versions)
    yield from judge_engine(info, policy)
    yield image_check(client)
    yield litter_check(client.api)
    if is_local(endpoint):
        yield from _local_engine_checks(info)


def _local_engine_checks(info: Mapping[str, Any]) -> Iterator[Check]:
    root = Path(info.get("DockerRootDir") or "/")
    yield disk_check("disk of the engine", root, enough=10 * GIB, needed=GIB)
    yield core_pattern_check(Path("/proc/sys/kernel/core_pattern").read_text())
    if program := shutil.which("nvidia-ctk"):
        yield toolkit_check(_output([program, "--version"]))


def _system_checks(cwd: Path) -> Iterator[Check]:
    yield disk_check("disk of this folder", cwd, enough=2 * GIB, needed=GIB // 4)
    yield state_check()
    yield python_check()
    yield packages_check({name: _installed(name) for name in (*PACKAGES, *STOLEN)})
    yield pth_check(_pth_lines(_site_folders()))


def is_local(endpoint: Endpoint) -> bool:
    """Whether the engine shares this machine's disks and kernel, as far as its address tells."""
    return endpoint.url.startswith("unix://")


def image_check(client: docker.DockerClient) -> Check:
    """Is the image of the present sources there, and what was it built on?"""
    try:
        with engine_errors("looking for the image"):
            found = image.find(client).sandbox
    except EngineError as error:
        return _from_error("image", error)
    return Check(name="image", status="ok", seen=f"{found.tag} on {found.base}")


def litter_check(api: docker.APIClient) -> Check:
    """Did a run that is dead leave something on the engine?"""
    try:
        litter = reaper.find(api)
    except EngineError as error:
        return _from_error("litter", error)
    if not litter:
        return Check(name="litter", status="ok", seen="nothing left by dead runs")
    seen = f"{len(litter.containers)} containers and {len(litter.volumes)} volumes of dead runs"
    return Check(name="litter", status="warn", seen=seen, hint="fumehood gc")


def disk_check(name: str, folder: Path, *, enough: int, needed: int) -> Check:
    """Free bytes where ``folder`` lies: a warning below ``enough``, a failure below ``needed``."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check(
            name=name, status="warn", seen=f"{folder}: {error.strerror}", hint="look at its free space yourself"
        )
    seen = f"{gib(free)} free at {folder}"
    if free < needed:
        return Check(
            name=name, status="fail", seen=seen, hint=f"make room: {gib(needed)} at least, {gib(enough)} better"
        )
    if free < enough:
        return Check(name=name, status="warn", seen=seen, hint=f"make room: {gib(enough)} leaves some for many runs")
    return Check(name=name, status="ok", seen=seen)


def state_check() -> Check:
    """Can locks and the ledger of openings be written?"""
    try:
        folder = state_folder()
        with tempfile.TemporaryFile(dir=folder):
            return Check(name="state folder", status="ok", seen=f"{folder} is writable")
    except OSError as error:
        seen = f"{error.filename or 'it'} cannot be written: {error.strerror}"
        return Check(name="state folder", status="fail", seen=seen, hint="give permission, or set XDG_STATE_HOME")


def _from_error(name: str, error: FumehoodError) -> Check:
    return Check(name=name, status="fail", seen=error.what, hint=error.hint)


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _site_folders() -> list[Path]:
    return [Path(folder) for folder in dict.fromkeys([*site.getsitepackages(), site.getusersitepackages()])]


def _pth_lines(folders: Iterable[Path]) -> dict[str, list[str]]:
    """Name of every ``.pth`` file -> the lines that Python executes whenever it starts in this environment."""
    found = {}
    for folder in folders:
        for path in sorted(folder.glob("*.pth")):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            found[path.name] = [line.strip() for line in lines if line.startswith(("import ", "import\t"))]
    return found


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


# ---- judging (pure) ------------------------------------------------------------------------------------------------


def judge_versions(versions: Mapping[str, Any]) -> Iterator[Check]:
    """The engine's ``/version``: the engine itself, its API, and runc."""
    components = {c.get("Name", ""): c.get("Version", "") for c in versions.get("Components") or []}
    yield _engine_version(components, str(versions.get("Version", "")))
    yield _api_version(str(versions.get("ApiVersion", "")))
    if runc := components.get("runc"):
        yield runc_check(runc)


def _engine_version(components: Mapping[str, str], text: str) -> Check:
    podman = "Podman Engine" in components
    oldest, product = (_PODMAN_WORKS, "Podman") if podman else (_DOCKER_SUPPORTED, "Docker")
    seen = f"{product} {text}"
    if (number := numbers(text)) and number >= oldest:
        return Check(name="engine version", status="ok", seen=seen)
    what = "cannot set every limit of a room" if podman else "is out of its makers' support, and knows no CDI devices"
    hint = f"{product} before {oldest[0]}.{oldest[1]} {what}; {_DISTRIBUTION}"
    return Check(name="engine version", status="warn", seen=seen, hint=hint)


def _api_version(text: str) -> Check:
    if numbers(text)[:2] >= _MIN_API:
        return Check(name="API version", status="ok", seen=text)
    wanted = ".".join(str(n) for n in _MIN_API)
    return Check(
        name="API version", status="fail", seen=text or "unknown", hint=f"update the engine: {wanted} is needed"
    )


def runc_check(text: str) -> Check:
    """runc against the advisories of November 2025."""
    number = numbers(text)
    fixed = next((fix for fix in _RUNC_FIXES if number[:2] <= fix[:2]), _RUNC_FIXES[-1])
    if number >= fixed:
        return Check(name="runc", status="ok", seen=text)
    hint = f"known container escapes are fixed in 1.2.8 and 1.3.3; {_DISTRIBUTION}"
    return Check(name="runc", status="warn", seen=text, hint=hint)


def toolkit_check(text: str) -> Check:
    """NVIDIA's container toolkit, from the output of ``nvidia-ctk --version``."""
    number = numbers(text)
    seen = ".".join(str(n) for n in number) or "version unknown"
    if number >= _TOOLKIT_FIX:
        return Check(name="NVIDIA toolkit", status="ok", seen=seen)
    hint = "a known container escape is fixed in 1.17.8: update nvidia-container-toolkit"
    return Check(name="NVIDIA toolkit", status="warn", seen=seen, hint=hint)


def judge_engine(info: Mapping[str, Any], policy: Policy) -> Iterator[Check]:
    """The engine's ``/info`` against what the policy asks of it."""
    options = security_options(info)
    yield _rootless(options)
    yield _limits(info, rootless="rootless" in options)
    yield _seccomp(options)
    yield _second_wall(options)
    yield _runtime(info, policy)
    yield _storage(info)
    yield memory_check(int(info.get("MemTotal") or 0), policy)
    yield _cpus(int(info.get("NCPU") or 0), policy)


def security_options(info: Mapping[str, Any]) -> dict[str, str]:
    """``name=seccomp,profile=default`` and its like -> name -> the rest."""
    found = {}
    for option in info.get("SecurityOptions") or []:
        name, _, rest = str(option).removeprefix("name=").partition(",")
        found[name] = rest
    return found


def _rootless(options: Mapping[str, str]) -> Check:
    if "rootless" in options:
        return Check(name="rights", status="ok", seen="rootless engine")
    seen = "engine runs as root" + (", with user namespaces" if "userns" in options else "")
    return Check(name="rights", status="ok", seen=f"{seen}: whoever may use its socket is root here")


def _limits(info: Mapping[str, Any], *, rootless: bool) -> Check:
    version_, driver = str(info.get("CgroupVersion") or "1"), str(info.get("CgroupDriver") or "none")
    seen = f"cgroup v{version_}, driver {driver}"
    off = [name for name in _SWITCHES if info.get(name) is False]
    if driver == "none" or (rootless and version_ == "1"):
        hint = "a rootless engine limits nothing on cgroup v1: boot with cgroup v2, or use an engine that runs as root"
        return Check(name="limits", status="fail", seen=f"{seen}: limits are ignored", hint=hint)
    if off:
        hint = "enable these controllers: delegate them to the user's slice, or boot with swapaccount=1"
        return Check(name="limits", status="fail", seen=f"{seen}: without {', '.join(off)}", hint=hint)
    return Check(name="limits", status="ok", seen=f"{seen}: memory, CPU time and processes can be limited")


def _seccomp(options: Mapping[str, str]) -> Check:
    profile = options.get("seccomp")
    if profile is None or "unconfined" in profile:
        seen = "off" if profile is None else profile
        hint = "the policy needs the engine's own profile: use a kernel with seccomp, and no other default profile"
        return Check(name="seccomp", status="fail", seen=seen, hint=hint)
    return Check(name="seccomp", status="ok", seen=profile or "on")


def _second_wall(options: Mapping[str, str]) -> Check:
    on = [name for name in ("apparmor", "selinux") if name in options]
    if on:
        return Check(name="access control", status="ok", seen=", ".join(on))
    hint = "a second wall behind the first: enable AppArmor or SELinux in kernel and engine where you can"
    return Check(name="access control", status="warn", seen="neither AppArmor nor SELinux", hint=hint)


def _runtime(info: Mapping[str, Any], policy: Policy) -> Check:
    there = sorted(name for name in info.get("Runtimes") or {} if not name.startswith("io.containerd."))
    seen = f"{', '.join(there) or 'none'}; policy {policy.name} needs {policy.runtime}"
    if policy.runtime in there:
        return Check(name="runtime", status="ok", seen=seen)
    hint = f"register {policy.runtime} with the engine, or choose another policy (fumehood policy list)"
    return Check(name="runtime", status="fail", seen=seen, hint=hint)


def _storage(info: Mapping[str, Any]) -> Check:
    driver = str(info.get("Driver") or "unknown")
    if driver in ("vfs", "devicemapper", "aufs"):
        hint = "it copies whole images or is no longer maintained: prefer overlay2"
        return Check(name="storage", status="warn", seen=driver, hint=hint)
    return Check(name="storage", status="ok", seen=driver)


def memory_check(total: int, policy: Policy) -> Check:
    """A train room and its predict room live at the same time; a prepare room lives alone."""
    need = max(policy.prepare.host_bytes, policy.train.host_bytes + policy.predict.host_bytes)
    seen = f"{gib(total)} on the engine's host; rooms of policy {policy.name} may use {gib(need)}"
    if total >= need:
        return Check(name="memory", status="ok", seen=seen)
    hint = "large models may be ended for want of memory: a policy with smaller rooms, or a larger host"
    return Check(name="memory", status="warn", seen=seen, hint=hint)


def _cpus(count: int, policy: Policy) -> Check:
    seen = f"{count}; a train room gets {min(policy.train.cpus, float(count)):g}"
    if count > 1:
        return Check(name="CPUs", status="ok", seen=seen)
    return Check(name="CPUs", status="warn", seen=seen, hint="seeds run one after another: more CPUs are faster")


def core_pattern_check(pattern: str) -> Check:
    """No limit of a room stops a pipe in the kernel's core pattern: it runs as root, outside every room."""
    if not pattern.startswith("|"):
        return Check(name="core dumps", status="ok", seen="not piped to a program")
    seen = f"piped to {pattern[1:].split()[0] if pattern[1:].split() else 'a program'}"
    hint = "a crash in a room starts that program on the host: sysctl -w kernel.core_pattern=core"
    return Check(name="core dumps", status="warn", seen=seen, hint=hint)


def python_check() -> Check:
    """The controller's own interpreter."""
    seen = f"{platform.python_version()} at {sys.executable}"
    return Check(name="Python", status="ok", seen=seen)


def packages_check(found: Mapping[str, str | None]) -> Check:
    """Installed versions, by name; None where a package is absent."""
    seen = ", ".join(f"{name} {text}" for name, text in found.items() if text)
    stolen = [f"{name} {found[name]}" for name, bad in STOLEN.items() if found.get(name) in bad]
    if stolen:
        hint = f"{stolen[0]} steals credentials: remove it, and replace every key this account could read"
        return Check(name="packages", status="fail", seen=seen, hint=hint)
    if absent := [name for name in PACKAGES if not found.get(name)]:
        hint = f"reinstall fumehood; missing: {', '.join(absent)}"
        return Check(name="packages", status="fail", seen=seen or "none", hint=hint)
    return Check(name="packages", status="ok", seen=seen)


def pth_check(lines: Mapping[str, list[str]]) -> Check:
    """Files in the environment whose lines run at every start of Python: where stolen packages like to sit."""
    odd = [name for name, found in lines.items() if any(line.rstrip("; ") not in USUAL_PTH for line in found)]
    if odd:
        hint = "they run code at every start of Python: read them, and know who put them there"
        return Check(name=".pth files", status="warn", seen=", ".join(odd), hint=hint)
    return Check(name=".pth files", status="ok", seen="none runs unknown code at the start of Python")


def numbers(text: str) -> tuple[int, ...]:
    """The first dotted number in ``text``: ``1.1.5+ds1`` is (1, 1, 5); empty where there is none."""
    match = re.search(r"\d{1,9}(?:\.\d{1,9}){1,3}", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def gib(size: int) -> str:
    """``1.5 GiB``."""
    return f"{size / GIB:.1f} GiB"
