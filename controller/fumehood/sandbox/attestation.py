"""Does the room, seen from inside before any foreign byte arrived, look as the policy says? Pure.

The room's first process reports what it sees (``fumehood_runner.attest``); here it is compared with the cage that was
asked for. Every difference names its field; one is enough to refuse the room.
"""

from collections.abc import Iterator

from fumehood.sandbox.cage import HOSTNAME, Cage
from fumehood_shared import paths
from fumehood_shared.messages import Attestation, MountFact

_NO_CAPABILITIES = "0" * 16
_DEVICES = frozenset(
    {
        "full", "null", "random", "tty", "urandom", "zero", "console",
        "pts/ptmx", "shm", "mqueue",
    }
)  # fmt: skip
_KERNEL_VIEWS = frozenset({"proc", "sysfs", "cgroup", "cgroup2", "tmpfs"})
"""File systems that may appear below /proc and /sys: views of the kernel, or masks over them."""
_ENGINE_FILES = frozenset({"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"})
"""Written by the engine itself, mounted read-only under a read-only root."""
_PAGE = 4096


def differences(cage: Cage, seen: Attestation) -> list[str]:
    """What the room sees otherwise than asked, each as ``field: expected ..., seen ...``; empty if all agrees."""
    return [
        *(f"{name}: expected {want!r}, seen {got!r}" for name, want, got in _pairs(cage, seen) if want != got),
        *(f"devices: {name} is not expected" for name in seen.devices if name not in _DEVICES),
        *(problem for mount in seen.mounts if (problem := _mount_problem(mount, cage))),
        *(f"mounts: {path} is missing" for path in _required(cage) if path not in {m.path for m in seen.mounts}),
    ]


def _pairs(cage: Cage, seen: Attestation) -> Iterator[tuple[str, object, object]]:
    limits = cage.limits
    yield "role", cage.role, seen.role
    yield "uid", cage.uid, seen.uid
    yield "gid", cage.uid, seen.gid
    yield "groups", {cage.uid}, set(seen.groups) | {cage.uid}
    yield "no_new_privs", 1, seen.no_new_privs
    yield "seccomp", 2, seen.seccomp
    for kind in ("effective", "permitted", "inheritable", "bounding", "ambient"):
        yield f"cap_{kind}", _NO_CAPABILITIES, getattr(seen, f"cap_{kind}")
    yield "interfaces", ("lo",), seen.interfaces
    yield "rlimits.nofile", (limits.nofile, limits.nofile), seen.rlimits.get("nofile")
    yield "rlimits.fsize", (int(limits.file), int(limits.file)), seen.rlimits.get("fsize")
    yield "rlimits.core", (0, 0), seen.rlimits.get("core")
    yield "pid", 1, seen.pid
    yield "dumpable", 0, seen.dumpable
    yield "environment", (), seen.environment
    yield "root_writable", False, seen.root_writable
    yield "exchange_bytes", _pages(limits.exchange), _pages(seen.exchange_bytes)
    yield "memory_limit", _pages(limits.memory), None if seen.memory_limit is None else _pages(seen.memory_limit)
    yield "pids_limit", limits.pids, seen.pids_limit
    yield "hostname", HOSTNAME, seen.hostname
    yield "cuda_devices", (), seen.cuda_devices


def _pages(size: int) -> int:
    return -(-int(size) // _PAGE)


def _required(cage: Cage) -> list[str]:
    return ["/", paths.EXCHANGE, "/tmp", *([paths.DATA] if cage.data else [])]  # noqa: S108  # the room's own


def _mount_problem(mount: MountFact, cage: Cage) -> str | None:
    options = set(mount.options)
    needed = _needed_options(mount, cage)
    if needed is None:
        return f"mounts: {mount.path} ({mount.fstype}) is not expected"
    missing = sorted(needed - options)
    return f"mounts: {mount.path} lacks {', '.join(missing)}" if missing else None


def _needed_options(mount: MountFact, cage: Cage) -> set[str] | None:
    """Options that this mount must carry, or None where nothing may be mounted."""
    path, kind = mount.path, mount.fstype
    if path == "/" or path in _ENGINE_FILES:
        return {"ro"}
    if path in (paths.EXCHANGE, "/tmp", "/dev/shm") and kind == "tmpfs":  # noqa: S108  # the room's own
        return {"noexec", "nosuid", "nodev"}
    if path == paths.DATA and cage.data:
        return {"ro"}
    if (path, kind) in (("/dev", "tmpfs"), ("/dev/pts", "devpts"), ("/dev/mqueue", "mqueue")):
        return {"nosuid"}
    if path == "/proc" and kind == "proc":
        return {"nosuid", "nodev", "noexec"}
    if path.startswith(("/proc/", "/sys")) and kind in _KERNEL_VIEWS:
        # A tmpfs here is empty, or the room's own /dev/null laid over a file; everything else must be read-only.
        return set() if kind == "tmpfs" else {"ro"}
    return None
