"""The walls that controls take away: each a change of a room's settings, small and named."""

from typing import Any, Final

from fumehood.attacks.attack import Relaxed

_UNFILTERED: Final = ["no-new-privileges", "seccomp=unconfined"]
AS_ROOT: Final = {"User": "0:0"}

NONE: Final = Relaxed("the supervisor, which looks after itself")
"""The container is as a room is, and its first process is one that anybody may look into."""
FILTER: Final = Relaxed("the filter of system calls", host={"SecurityOpt": _UNFILTERED})
ROOT: Final = Relaxed("its user id", config=AS_ROOT)
ROOT_UNFILTERED: Final = Relaxed("its user id, and the filter", host={"SecurityOpt": _UNFILTERED}, config=AS_ROOT)
HOST_NETWORK: Final = Relaxed("its network namespace", host={"NetworkMode": "host"}, config={"NetworkDisabled": False})
HOST_NETWORK_UNFILTERED: Final = Relaxed(
    "its network namespace, and the filter",
    host={"NetworkMode": "host", "SecurityOpt": _UNFILTERED},
    config={"NetworkDisabled": False},
)
HOST_PROCESSES: Final = Relaxed("its process namespace", host={"PidMode": "host"})
UNMASKED: Final = Relaxed(
    "the masks over the kernel's files", host={"MaskedPaths": [], "ReadonlyPaths": []}, config=AS_ROOT
)


def capability(name: str, **host: Any) -> Relaxed:
    """The filter is gone too: it stands before the capability, and neither is passed with the other there."""
    return Relaxed(
        f"the filter, and no capability ({name})",
        host={"SecurityOpt": [*_UNFILTERED, "apparmor=unconfined"], "CapAdd": [name], **host},
        config=AS_ROOT,
    )


def mounted(bait: str, target: str) -> Relaxed:
    return Relaxed(f"no host path ({bait})", mounts={target: bait})


def host(what: str, **fields: Any) -> Relaxed:
    """Other fields of HostConfig."""
    return Relaxed(what, host=fields)
