"""Can it get out, or up? System calls that containers were left by, the supervisor, devices, and the kernel's settings.

Calls that would do harm are made with arguments that no kernel accepts. That the kernel looked at them is the gain.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from fumehood.attacks import walls
from fumehood.attacks.attack import Attack, Group, Probe, Relaxed

_REFUSED: Final = "refused"
_FILTERED: Final = (
    "user-namespace", "clone-namespace", "enter-namespace", "chroot", "bpf", "perf-events", "userfaultfd", "io-uring",
    "keyring", "add-key", "file-handles", "address-layout", "local-descriptors", "page-splicing", "file-watches",
    "file-locks", "shared-segments", "terminal-input", "netlink", "machine-socket", "crypto-socket",
    "program-in-memory", "supervisor-limits", "supervisor-descriptors",
    "trace-supervisor", "read-supervisor", "write-supervisor", "calls-of-32-bits", "calls-of-x32", "new-mounts",
)  # fmt: skip
"""The filter of system calls refuses these; without it each gets through."""
_CAPABLE: Final = {
    "mount": "SYS_ADMIN",
    "pivot-root": "SYS_ADMIN",
    "kexec": "SYS_BOOT",
    "reboot": "SYS_BOOT",
    "kernel-module": "SYS_MODULE",
    "swap": "SYS_ADMIN",
    "io-ports": "SYS_RAWIO",
    "kernel-log": "SYSLOG",
    "clock": "SYS_TIME",
    "host-name": "SYS_ADMIN",
    "packet-socket": "NET_RAW",
    "raw-socket": "NET_RAW",
    "device-node": "MKNOD",
}
"""Refused by the filter, and by the kernel for want of a capability: each wall would do."""


_OFTEN_ABSENT: Final = frozenset({
    "bpf", "perf-events", "userfaultfd", "io-uring", "keyring", "add-key", "file-handles", "local-descriptors",
    "machine-socket", "crypto-socket", "calls-of-32-bits", "calls-of-x32", "kexec", "kernel-module", "swap", "io-ports",
    "system-request",
})  # fmt: skip
"""Kernels are built with or without these."""


def _probe(name: str, relaxed: Relaxed) -> Probe:
    return Probe(name, Group.OUT, _REFUSED, relaxed=relaxed, may_be_absent=name in _OFTEN_ABSENT)


_WRITABLE: Final = Relaxed("a read-only root, and its user id", host={"ReadonlyRootfs": False}, config=walls.AS_ROOT)
_WRITABLE_GROUPS: Final = replace(
    walls.capability("SYS_ADMIN"), what="a read-only tree of control groups", first="writable_groups"
)
_RUNNABLE: Final = walls.host("noexec", Tmpfs={"/tmp": "rw,exec,size=8388608,mode=1777"})  # noqa: S108 - a room's
_OPEN_FILES: Final = walls.host("limits of a process", Ulimits=[])
_DEVICE: Final = walls.host(
    "no devices (zero, as memory)",
    Devices=[{"PathOnHost": "/dev/zero", "PathInContainer": "/dev/mem", "CgroupPermissions": "r"}],
)


def _attacks() -> Iterator[Attack]:
    yield from (_probe(name, walls.FILTER) for name in _FILTERED)
    yield from (_probe(name, walls.capability(capability)) for name, capability in _CAPABLE.items())
    yield from (_probe(name, walls.NONE) for name in ("supervisor-memory", "supervisor-files"))
    yield from (_probe(name, walls.UNMASKED) for name in ("core-pattern", "kernel-settings", "system-request"))
    yield from (_probe(name, _WRITABLE) for name in ("runtime-program", "write-root"))
    yield _probe("become-root", walls.ROOT_UNFILTERED)
    yield _probe("outer-folder", replace(walls.capability("SYS_CHROOT"), what="one root", first="own_root"))
    yield _probe("devices", _DEVICE)
    yield _probe("control-groups", _WRITABLE_GROUPS)
    yield _probe("program-on-disk", _RUNNABLE)
    yield _probe("own-limits", _OPEN_FILES)


IMAGE: Final = Attack("image-variables", Group.OUT, "no room of that image opens")
ATTACKS: Final = (*_attacks(), IMAGE)
