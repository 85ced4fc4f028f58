"""Versions of what stands between a room and the host, held against known escapes. Pure, but for ``output_of``."""

import subprocess
from collections.abc import Iterator, Mapping
from typing import Any, Final

from fumehood.doctor.check import Check
from fumehood.sandbox.capability import is_podman, numbers

_RUNC_FIXES: Final = ((1, 2, 8), (1, 3, 3))
"""First releases without the container escapes CVE-2025-31133, -52565 and -52881, one per maintained series."""
_TOOLKIT_FIX: Final = (1, 17, 8)
"""First NVIDIA container toolkit without the container escape CVE-2025-23266."""
_DOCKER_SUPPORTED: Final = (25, 0, 0)
_DISTRIBUTION: Final = "a distribution may carry the fix under an older number: see its security tracker; else update"


def judge(version: Mapping[str, Any]) -> Iterator[Check]:
    """The engine's ``/version``: the engine itself, and runc."""
    yield _engine(version)
    components = {c.get("Name", ""): c.get("Version", "") for c in version.get("Components") or []}
    if runc := components.get("runc"):
        yield runc_check(runc)


def _engine(version: Mapping[str, Any]) -> Check:
    text = str(version.get("Version", ""))
    if is_podman(version):  # whether it will do is not a question of its age: see capability
        return Check(name="engine version", status="ok", seen=f"Podman {text}")
    if numbers(text) >= _DOCKER_SUPPORTED:
        return Check(name="engine version", status="ok", seen=f"Docker {text}")
    hint = f"Docker before 25.0 is out of its makers' support, and knows no CDI devices; {_DISTRIBUTION}"
    return Check(name="engine version", status="warn", seen=f"Docker {text}", hint=hint)


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


def output_of(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
