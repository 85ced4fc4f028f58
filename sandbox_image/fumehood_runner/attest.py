"""What a room can see of its own cage, gathered before any foreign byte arrives.

Only reads. What a kernel does not show is None and never guessed: the controller decides what that means.
"""

import contextlib
import importlib.metadata
import os
import platform
import resource
import stat
from pathlib import Path
from typing import Literal

from fumehood_runner import gpus, process
from fumehood_shared import paths
from fumehood_shared.messages import Attestation, MountFact

Role = Literal["prepare", "train", "predict"]

_RLIMITS = {
    "nofile": resource.RLIMIT_NOFILE,
    "fsize": resource.RLIMIT_FSIZE,
    "core": resource.RLIMIT_CORE,
    "nproc": resource.RLIMIT_NPROC,
}
_PACKAGES = ("torch", "torchvision", "numpy", "safetensors", "pydantic", "pyarrow", "scikit-learn")
_UNLIMITED = 2**60
"""cgroup v1 writes "no limit" as a number just under 2**63."""


def attest(role: Role, environment: tuple[str, ...]) -> Attestation:
    """Describe this process and its container. ``environment``: see ``initial_environment``."""
    status = _status()
    return Attestation(
        role=role,
        uid=os.getuid(),
        gid=os.getgid(),
        groups=tuple(os.getgroups()),
        no_new_privs=_number(status.get("NoNewPrivs")),
        seccomp=_number(status.get("Seccomp")),
        cap_effective=status.get("CapEff", ""),
        cap_permitted=status.get("CapPrm", ""),
        cap_inheritable=status.get("CapInh", ""),
        cap_bounding=status.get("CapBnd", ""),
        cap_ambient=status.get("CapAmb", ""),
        interfaces=_interfaces(),
        mounts=_mounts(),
        devices=_devices(),
        rlimits={name: resource.getrlimit(number) for name, number in _RLIMITS.items()},
        pid=os.getpid(),
        dumpable=process.dumpable(),
        environment=environment,
        root_writable=os.statvfs("/").f_flag & os.ST_RDONLY == 0,
        exchange_bytes=_size_of(paths.EXCHANGE),
        handover_bytes=_size_of(paths.HANDOVER),
        memory_limit=_limit("memory/memory.limit_in_bytes", "memory.max"),
        pids_limit=_limit("pids/pids.max", "pids.max"),
        hostname=os.uname().nodename,
        kernel=os.uname().release,
        gpus=gpus.listed(),
        cuda=gpus.cuda_says(),
        confinement=_confinement(),
        versions=_versions(),
    )


def _status() -> dict[str, str]:
    lines = Path("/proc/self/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def _interfaces() -> tuple[str, ...]:
    """From /proc/net/dev, which gVisor shows too."""
    lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    return tuple(sorted(line.partition(":")[0].strip() for line in lines))


def _mounts() -> tuple[MountFact, ...]:
    """Rows of mountinfo: mount point, type, and the options of the mount and of the file system together."""
    facts = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        fields, kind = left.split(" "), right.split(" ")
        options = {*fields[5].split(","), *(kind[2].split(",") if len(kind) > 2 else ())}
        options_told = tuple(sorted(o[:200] for o in options))[:100]
        facts.append(MountFact(path=fields[4], fstype=kind[0], options=options_told, kind=_kind_of(fields[4])))
    return tuple(facts[:500])


def _kind_of(path: str) -> Literal["file", "folder", "socket", "device", "other"] | None:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return None
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    if stat.S_ISSOCK(mode):
        return "socket"
    return "device" if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else "other"


def _devices() -> tuple[str, ...]:
    names: list[str] = []
    for top in sorted(Path("/dev").iterdir()):
        if top.is_dir() and not top.is_symlink():
            with contextlib.suppress(PermissionError):
                names.extend(f"{top.name}/{entry.name}" for entry in sorted(top.iterdir()))
        elif not top.is_symlink():
            names.append(top.name)
    return tuple(names[:500])


def initial_environment() -> tuple[str, ...]:
    """Names of the variables that were handed to this process, not of those it set for itself since.

    To be asked before the process makes itself non-dumpable, because its entries in /proc are root's from then on.
    """
    raw = Path("/proc/self/environ").read_bytes()
    names = [entry.partition(b"=")[0].decode("utf-8", "replace")[:100] for entry in raw.split(b"\0") if entry]
    return tuple(sorted(names)[:200])


def _size_of(path: str) -> int:
    try:
        stat = os.statvfs(path)
    except OSError:
        return 0
    return stat.f_blocks * stat.f_frsize


def _limit(v1: str, v2: str) -> int | None:
    for name in (v1, v2):
        with contextlib.suppress(OSError):
            number = _number((Path("/sys/fs/cgroup") / name).read_text().strip())
            return number if number is not None and number < _UNLIMITED else None
    return None


def _confinement() -> str | None:
    """AppArmor's own file first: where two security modules are stacked, the other one shows the first of them."""
    for name in ("apparmor/current", "current"):
        with contextlib.suppress(OSError):
            return (Path("/proc/self/attr") / name).read_text().rstrip("\n\0")[:200] or None
    return None


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
