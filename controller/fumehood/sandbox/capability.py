"""What an engine cannot enforce, by its own account: why a run on it is refused before a room is made.

Pure: ``/info`` and ``/version`` of an engine go in, problems come out. It is the engine's word only; that the limits of
a room really were set is compared with every created container (``cage``) and from inside (``attestation``).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from fumehood.errors import EngineError
from fumehood.policy import Policy

ANOTHER: Final = "use Docker Engine, also rootless where the machine boots with cgroup v2; fumehood doctor tells more"
MIN_API: Final = (1, 41)
"""Private cgroup namespaces and one-shot statistics came with it."""
_SWITCHES: Final = {
    "MemoryLimit": "memory",
    "SwapLimit": "swap",
    "CpuCfsQuota": "CPU time",
    "PidsLimit": "processes",
}
"""Of ``/info``: which limits the engine's kernel lets it set."""


class Problem(NamedTuple):
    """Why an engine will not do: what is wrong, and what would make it acceptable."""

    subject: str
    """``limits``, ``seccomp``, ``runtime`` or ``interface``."""
    what: str
    hint: str


def require(info: Mapping[str, Any], version: Mapping[str, Any], policy: Policy) -> None:
    """Raise EngineError where the engine cannot enforce ``policy``, with every reason."""
    found = problems(info, version, policy)
    if found:
        what = "; ".join(problem.what for problem in found)
        hint = "; ".join(dict.fromkeys(problem.hint for problem in found))
        raise EngineError(f"the engine cannot enforce policy {policy.name}: {what}", hint)


def problems(info: Mapping[str, Any], version: Mapping[str, Any], policy: Policy) -> list[Problem]:
    """Every reason, none where the engine says of itself that it can."""
    return [*_interface(version), *_limits(info), *_seccomp(info), *_runtime(info, policy)]


def security_options(info: Mapping[str, Any]) -> dict[str, str]:
    """``name=seccomp,profile=default`` and its like -> name -> the rest."""
    found = {}
    for option in info.get("SecurityOptions") or []:
        name, _, rest = str(option).removeprefix("name=").partition(",")
        found[name] = rest
    return found


def is_podman(version: Mapping[str, Any]) -> bool:
    return any(part.get("Name") == "Podman Engine" for part in version.get("Components") or ())


def cgroups(info: Mapping[str, Any]) -> str:
    """``cgroup v2, driver systemd``"""
    return f"cgroup v{info.get('CgroupVersion') or '1'}, driver {info.get('CgroupDriver') or 'none'}"


def runtimes(info: Mapping[str, Any]) -> list[str]:
    """Names under which runtimes are registered; containerd's own shims are another thing."""
    return sorted(name for name in info.get("Runtimes") or {} if not name.startswith("io.containerd."))


def numbers(text: str) -> tuple[int, ...]:
    """The first dotted number in ``text``: ``1.1.5+ds1`` is (1, 1, 5); empty where there is none."""
    match = re.search(r"\d{1,9}(?:\.\d{1,9}){1,3}", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _interface(version: Mapping[str, Any]) -> Iterator[Problem]:
    if numbers(api := str(version.get("ApiVersion", "")))[:2] < MIN_API:
        wanted = ".".join(map(str, MIN_API))
        yield Problem(
            "interface", f"API {api or 'unknown'} is older than {wanted}", f"update the engine to API {wanted}"
        )
    # Seen on 4.3.1, by creating a room and comparing: the first two are refusals, the rest is left out in silence.
    if is_podman(version):
        what = (
            f"Podman {version.get('Version', '?')} takes a seccomp profile only as a path of its own machine, refuses "
            "a limit on inodes, and leaves out the size of the exchange volume and the room's lifeline (StdinOnce)"
        )
        yield Problem("interface", what, ANOTHER)


def _limits(info: Mapping[str, Any]) -> Iterator[Problem]:
    seen = cgroups(info)
    if "rootless" in security_options(info) and str(info.get("CgroupVersion") or "1") == "1":
        hint = "boot with cgroup v2 (systemd.unified_cgroup_hierarchy=1) and delegate its controllers to the user, or "
        yield Problem("limits", f"{seen}: a rootless engine limits nothing on cgroup v1", hint + _AS_ROOT)
    elif (info.get("CgroupDriver") or "none") == "none":
        hint = "start the user's systemd (loginctl enable-linger) and delegate cgroup v2 controllers to it, or "
        yield Problem("limits", f"{seen}: limits are ignored", hint + _AS_ROOT)
    elif off := [name for name in _SWITCHES if info.get(name) is False]:
        what = f"{seen}: {', '.join(_SWITCHES[name] for name in off)} cannot be limited ({', '.join(off)})"
        hint = "enable these controllers: delegate them to the user's slice (Delegate=), or boot with swapaccount=1"
        yield Problem("limits", what, hint)


_AS_ROOT: Final = "use an engine that runs as root"


def _seccomp(info: Mapping[str, Any]) -> Iterator[Problem]:
    profile = security_options(info).get("seccomp")
    if profile is None or "unconfined" in profile:
        what = "it filters no system calls" if profile is None else f"seccomp is {profile}"
        yield Problem("seccomp", what, "use a kernel with seccomp, and an engine that has it switched on")


def _runtime(info: Mapping[str, Any], policy: Policy) -> Iterator[Problem]:
    there = runtimes(info)
    if policy.runtime not in there:
        what = (
            f"policy {policy.name} needs the runtime {policy.runtime}, and the engine has {', '.join(there) or 'none'}"
        )
        gvisor = "as root on Debian or Ubuntu, `make gvisor` does both" if policy.runtime == "runsc" else ""
        hint = f"install and register it with the engine{f' ({gvisor})' if gvisor else ''}, or choose another policy"
        yield Problem("runtime", what, f"{hint} (fumehood policy list)")
