"""Does the room, seen from inside before any foreign byte arrived, look as the policy says? Pure.

The room's first process reports what it sees (``fumehood_runner.attest``); here it is compared with the cage that was
asked for. Every difference names its field; one is enough to refuse the room.

gVisor shows less: its kernel has no line for NoNewPrivs, shows no cgroup and leaves most mount flags out. What it
leaves out is accepted there, and only there; what it shows must be right, and the kernel must be gVisor's. Limits that
cannot be seen from inside are the engine's, and ``cage.differences`` compared them before the room started.
"""

from collections.abc import Iterator

from fumehood.sandbox import confinement, devices
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
_GVISOR_DEVICES = frozenset({"fuse", "net/tun"})
"""Emulated by gVisor's kernel for its own processes; nothing of the host is behind them."""
_GVISOR_KERNELS = ("4.4.0",)
"""The release that gVisor tells; newer ones say their name in it."""
_GOFER = "9p"
"""File system through which gVisor reaches the engine's mounts; the host's own mount keeps its flags behind it."""
_PAGE = 4096
_ENVIRONMENT = ("PYTHONHASHSEED",)
"""All that the supervisor's environment holds: strings hash alike in every room, and nothing else acts."""


def differences(cage: Cage, seen: Attestation) -> list[str]:
    """What the room sees otherwise than asked, each as ``field: expected ..., seen ...``; empty if all agrees."""
    return [
        *(f"{name}: expected {want!r}, seen {got!r}" for name, want, got in _pairs(cage, seen) if want != got),
        *devices.problems(cage.grant, seen, _devices(cage)),
        *(problem for mount in seen.mounts if (problem := _mount_problem(mount, cage, seen))),
        *(f"mounts: {path} is missing" for path in _required(cage) if path not in {m.path for m in seen.mounts}),
    ]


def _pairs(cage: Cage, seen: Attestation) -> Iterator[tuple[str, object, object]]:
    limits = cage.limits
    yield "role", cage.role, seen.role
    yield "uid", cage.uid, seen.uid
    yield "gid", cage.uid, seen.gid
    yield "groups", {cage.uid}, set(seen.groups) | {cage.uid}
    yield "no_new_privs", 1, _unless_left_out(cage, seen.no_new_privs, 1)
    yield "seccomp", 2, _unless_left_out(cage, seen.seccomp or None, 2)
    for kind in ("effective", "permitted", "inheritable", "bounding", "ambient"):
        yield f"cap_{kind}", _NO_CAPABILITIES, _capabilities(cage, seen, kind)
    yield "interfaces", ("lo",), seen.interfaces
    yield "rlimits.nofile", (limits.nofile, limits.nofile), seen.rlimits.get("nofile")
    yield "rlimits.fsize", (int(limits.file), int(limits.file)), seen.rlimits.get("fsize")
    yield "rlimits.core", (0, 0), seen.rlimits.get("core")
    yield "pid", 1, seen.pid
    yield "dumpable", 0, seen.dumpable
    yield "environment", _ENVIRONMENT, seen.environment
    yield "root_writable", False, seen.root_writable and not _is_gvisor(cage)  # the mount's own flag tells it there
    yield "exchange_bytes", _pages(limits.exchange), _pages(seen.exchange_bytes)
    yield "handover_bytes", _pages(cage.handover.bytes if cage.handover else 0), _pages(seen.handover_bytes)
    memory = None if seen.memory_limit is None else _pages(seen.memory_limit)
    yield "memory_limit", _pages(limits.memory), _unless_left_out(cage, memory, _pages(limits.memory))
    yield "pids_limit", limits.pids, _unless_left_out(cage, seen.pids_limit, limits.pids)
    yield "hostname", HOSTNAME, seen.hostname
    yield "cuda", "works" if cage.grant else None, seen.cuda
    if cage.confinement and not _is_gvisor(cage):  # gVisor's kernel is confined from outside, and shows no label
        confined = confinement.is_confined(cage.confinement, seen.confinement)
        yield "confinement", cage.confinement, cage.confinement if confined else seen.confinement
    if _is_gvisor(cage):
        yield "kernel", "gVisor's", "gVisor's" if _is_gvisor_kernel(seen.kernel) else seen.kernel


def _is_gvisor(cage: Cage) -> bool:
    return cage.runtime == "runsc"


def _is_gvisor_kernel(release: str) -> bool:
    return release in _GVISOR_KERNELS or "gvisor" in release.lower()


def _unless_left_out(cage: Cage, seen: object, expected: object) -> object:
    """What was seen; ``expected`` in place of a fact that gVisor does not show."""
    return expected if seen is None and _is_gvisor(cage) else seen


def _capabilities(cage: Cage, seen: Attestation, kind: str) -> object:
    shown = getattr(seen, f"cap_{kind}")
    return _unless_left_out(cage, shown or None, _NO_CAPABILITIES) if kind == "ambient" else shown


def _devices(cage: Cage) -> frozenset[str]:
    return _DEVICES | _GVISOR_DEVICES if _is_gvisor(cage) else _DEVICES


def _pages(size: int) -> int:
    return -(-int(size) // _PAGE)


def _required(cage: Cage) -> list[str]:
    rest = [*([paths.DATA] if cage.data else []), *([paths.HANDOVER] if cage.handover else [])]
    return ["/", paths.EXCHANGE, "/tmp", *rest]  # noqa: S108  # the room's own


def _mount_problem(mount: MountFact, cage: Cage, seen: Attestation) -> str | None:
    if mount.kind == "socket":
        return f"mounts: {mount.path} is a socket"
    options = set(mount.options)
    needed = _needed_options(mount, cage)
    if needed is None:
        needed = devices.needed_options(mount, cage, seen)
    if needed is None:
        return f"mounts: {mount.path} ({mount.fstype}) is not expected"
    if _is_gvisor(cage):
        needed &= _gvisor_shows(mount)
    missing = sorted(needed - options)
    return f"mounts: {mount.path} lacks {', '.join(missing)}" if missing else None


def _gvisor_shows(mount: MountFact) -> set[str]:
    """Mount options that gVisor's mount table tells: of its own file systems also ``noexec``, never nosuid or nodev."""
    return {"ro"} if mount.fstype == _GOFER else {"ro", "noexec"}


def _needed_options(mount: MountFact, cage: Cage) -> set[str] | None:
    """Options that this mount must carry, or None where nothing may be mounted."""
    path, kind = mount.path, mount.fstype
    if path == "/" or path in _ENGINE_FILES:
        return {"ro"}
    if path == paths.HANDOVER:
        return _handover_options(kind, cage)
    if path == paths.EXCHANGE and kind == _GOFER and _is_gvisor(cage):
        return set()
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


def _handover_options(kind: str, cage: Cage) -> set[str] | None:
    """runc mounts a read-only volume anew with that flag alone. What lies in it is looked at before a candidate can."""
    shown = ("tmpfs", _GOFER) if _is_gvisor(cage) else ("tmpfs",)
    if cage.handover is None or kind not in shown:
        return None
    return {"noexec", "nosuid", "nodev"} if cage.handover.writable else {"ro"}
