"""From a policy to the engine's settings of one room, and back: is what the engine says what the policy asked?

Pure, but for the seccomp profile that ``Cage.of`` reads. ``create_body`` is the only place that says how a room is
confined; ``differences`` compares what the engine reports of the created container with it, field by field, and an
engine that silently dropped or added something is thereby refused before the room starts.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fumehood.policy import GpuAccess, Policy, RoomLimits
from fumehood.policy import Role as Role
from fumehood.records import Inspected
from fumehood.sandbox import seccomp
from fumehood_shared import paths

HOSTNAME = "room"
ENTRYPOINT = ["/opt/fumehood/python", "-I", "-S", "-B", "-X", "utf8", "/opt/fumehood/enter.py"]

CDI_KIND = "nvidia.com/gpu"
"""How CDI calls the GPUs of this vendor; ``KIND=UUID`` is one of them."""

_SHOWN = 300
_MUST_BE_EMPTY = (
    "Binds", "VolumesFrom", "CapAdd", "Devices", "DeviceCgroupRules", "GroupAdd", "ExtraHosts",
    "Links", "PortBindings", "PidMode", "UTSMode", "UsernsMode", "CgroupParent", "Cgroup", "VolumeDriver", "Privileged",
    "PublishAllPorts", "OomKillDisable", "AutoRemove", "Sysctls", "StorageOpt", "Dns", "DnsOptions", "DnsSearch",
    "CpuRealtimePeriod", "CpuRealtimeRuntime",
)  # fmt: skip
"""Fields of HostConfig through which something could be let in or loosened. No room sets any of them."""


@dataclass(frozen=True)
class DataVolume:
    """A read-only volume with the training arrays."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Handover:
    """The tmpfs volume through which weights go from a train room to its predict room: one writes, one reads."""

    name: str
    """Random, as an exchange volume's."""
    bytes: int
    inodes: int
    owner: int
    """User id of the train room."""
    writable: bool
    """Whether it is in the train room."""
    labels: Mapping[str, str]
    """The same in both rooms."""


@dataclass(frozen=True)
class Gpu:
    """A whole GPU or a MIG instance."""

    uuid: str
    """``GPU-...`` or ``MIG-...``."""
    card: str
    """UUID of the GPU whose node leads to it: its own, or for a MIG instance that of the GPU it is part of."""

    @property
    def is_mig(self) -> bool:
        return self.uuid != self.card


@dataclass(frozen=True)
class Grant:
    """GPUs that train and predict rooms are given, and what may come with them."""

    gpus: tuple[Gpu, ...]
    through: Literal["nvidia", "cdi"]
    """Who brings them in: the engine's NVIDIA driver, which runs the vendor's hook, or a CDI specification."""
    access: GpuAccess


Confinement = Literal["apparmor", "selinux"]


@dataclass(frozen=True)
class Cage:
    """One room, as it shall be."""

    role: Role
    limits: RoomLimits
    runtime: str
    seccomp: str
    """The profile itself, as JSON text."""
    image_id: str
    uid: int
    """Used as group id too; no account of the host has it."""
    cpus: float
    """The policy's share or all the host has, whichever is less."""
    name: str
    exchange: str
    """Name of the exchange volume: random, because a name that exists already would bring its old options along."""
    labels: Mapping[str, str]
    data: DataVolume | None = None
    handover: Handover | None = None
    """Every train room has one; a predict room has it where it is to predict with what that room trained."""
    grant: Grant | None = None
    """None: no GPU is in the room, and none of the driver's files."""
    confinement: Confinement | None = None
    """The security module by which the engine confines its containers; None where the host has none."""

    @classmethod
    def of(cls, policy: Policy, role: Role, *, host_cpus: int, **rest: Any) -> "Cage":
        limits = policy.limits(role)
        cpus = min(limits.cpus, float(host_cpus))
        profile = seccomp.profile(policy.seccomp)
        return cls(role=role, limits=limits, runtime=policy.runtime, seccomp=profile, cpus=cpus, **rest)

    @property
    def threads(self) -> int:
        """Whole CPUs of this room, at least one."""
        return max(1, int(self.cpus))


def create_body(cage: Cage) -> dict[str, Any]:
    """The request body of the engine's "create a container"."""
    limits = cage.limits
    return {
        "Image": cage.image_id,
        "Entrypoint": ENTRYPOINT,
        "Cmd": [cage.role],
        "User": f"{cage.uid}:{cage.uid}",
        "WorkingDir": "/tmp",  # noqa: S108  # of the room, where it is a tmpfs of its own
        "Hostname": HOSTNAME,
        "Env": _environment(cage),
        "Labels": dict(cage.labels),
        "Tty": False,
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "NetworkDisabled": True,
        "HostConfig": {
            "Runtime": cage.runtime,
            "NetworkMode": "none",
            "IpcMode": "private",
            "CgroupnsMode": "private",
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges", f"seccomp={cage.seccomp}"],
            "Init": False,
            "Memory": int(limits.memory),
            "MemorySwap": int(limits.memory),
            "NanoCpus": round(cage.cpus * 1e9),
            "PidsLimit": limits.pids,
            "ShmSize": int(limits.shm),
            "OomScoreAdj": 500,
            "LogConfig": {"Type": "none", "Config": {}},
            "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
            "Ulimits": [
                {"Name": "core", "Hard": 0, "Soft": 0},
                {"Name": "fsize", "Hard": int(limits.file), "Soft": int(limits.file)},
                {"Name": "nofile", "Hard": limits.nofile, "Soft": limits.nofile},
            ],
            "Tmpfs": {
                "/tmp": f"rw,noexec,nosuid,nodev,size={int(limits.tmp)},nr_inodes={limits.inodes},mode=1777"  # noqa: S108
            },
            "Mounts": [
                _exchange_mount(cage),
                *([_data_mount(cage.data)] if cage.data else []),
                *([_handover_mount(cage.handover)] if cage.handover else []),
            ],
            "DeviceRequests": [_device_request(cage.grant)] if cage.grant else [],
        },
    }


def _environment(cage: Cage) -> list[str]:
    """For the vendor's runtime, which obeys it wherever it is installed; the room's first program drops it.

    The engine's NVIDIA driver sets the variable itself.
    """
    return [] if cage.grant and cage.grant.through == "nvidia" else ["NVIDIA_VISIBLE_DEVICES=void"]


def _device_request(grant: Grant) -> dict[str, Any]:
    """``compute`` and nothing beside: ``utility`` would bring the sockets of the host's daemons along."""
    uuids = [gpu.uuid for gpu in grant.gpus]
    if grant.through == "cdi":
        return {"Driver": "cdi", "DeviceIDs": [f"{CDI_KIND}={uuid}" for uuid in uuids]}
    return {"Driver": "nvidia", "DeviceIDs": uuids, "Capabilities": [["gpu", "compute"]]}


def exchange_options(cage: Cage) -> dict[str, str]:
    """Driver options of the exchange volume."""
    size, uid = int(cage.limits.exchange), cage.uid
    flags = f"size={size},nr_inodes={cage.limits.inodes},nodev,nosuid,noexec,uid={uid},gid={uid},mode=0700"
    return {"type": "tmpfs", "device": "tmpfs", "o": flags}


def handover_options(handover: Handover) -> dict[str, str]:
    """Driver options of the hand-over volume: its train room alone writes it, whoever has it mounted may read."""
    owner = f"uid={handover.owner},gid={handover.owner},mode=0755"
    flags = f"size={handover.bytes},nr_inodes={handover.inodes},nodev,nosuid,noexec,{owner}"
    return {"type": "tmpfs", "device": "tmpfs", "o": flags}


def _exchange_mount(cage: Cage) -> dict[str, Any]:
    return _tmpfs_mount(cage.exchange, paths.EXCHANGE, exchange_options(cage), cage.labels)


def _handover_mount(handover: Handover) -> dict[str, Any]:
    mount = _tmpfs_mount(handover.name, paths.HANDOVER, handover_options(handover), handover.labels)
    return mount if handover.writable else {**mount, "ReadOnly": True}


def _tmpfs_mount(name: str, target: str, options: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, Any]:
    """The options travel with the mount, because the engine makes the volume with the first room that has it."""
    driver = {"Name": "local", "Options": dict(options)}
    return {
        "Type": "volume",
        "Source": name,
        "Target": target,
        "VolumeOptions": {"NoCopy": True, "Labels": dict(labels), "DriverConfig": driver},
    }


def _data_mount(data: DataVolume) -> dict[str, Any]:
    return {
        "Type": "volume",
        "Source": data.name,
        "Target": paths.DATA,
        "ReadOnly": True,
        "VolumeOptions": {"NoCopy": True},
    }


def volumes(cage: Cage) -> tuple[str, ...]:
    """Names of the room's tmpfs volumes: they go with it, the hand-over volume with the last room that has it."""
    return (cage.exchange, *([cage.handover.name] if cage.handover else []))


def differences(cage: Cage, container: Mapping[str, Any], volumes: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the engine reports otherwise than asked, each as ``field: asked ..., got ...``; empty if all agrees.

    ``container`` and ``volumes`` are the engine's inspections of the container and of its ``volumes``.
    """
    asked = create_body(cage)
    host = container["HostConfig"]
    found = [
        *_compare("HostConfig.", asked["HostConfig"], host),
        *(f"HostConfig.{key}: asked nothing, got {host[key]!r}" for key in _MUST_BE_EMPTY if host.get(key)),
        *_compare("Config.", _config_part(asked), container["Config"]),
        *_compare("", {"Image": cage.image_id}, container),
        *(problem for mount, volume in zip(_tmpfs_mounts(asked), volumes, strict=True)
          for problem in _volume_differences(mount, volume)),
    ]  # fmt: skip
    labels = container["Config"].get("Labels") or {}
    found += [f"Config.Labels: {key} is missing" for key in cage.labels if labels.get(key) != cage.labels[key]]
    found += _environment_differences(asked["Env"], container["Config"].get("Env") or [])
    mounts = sorted((m["Type"], m.get("Name"), m["Destination"], m["RW"]) for m in container.get("Mounts") or [])
    if mounts != _mounts_asked(cage):
        found.append(f"Mounts: asked {_mounts_asked(cage)}, got {mounts}")
    return found


def _tmpfs_mounts(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [mount for mount in asked["HostConfig"]["Mounts"] if "DriverConfig" in mount["VolumeOptions"]]


def _volume_differences(mount: Mapping[str, Any], volume: Mapping[str, Any]) -> list[str]:
    options = mount["VolumeOptions"]
    wanted = {
        "Name": mount["Source"],
        "Driver": "local",
        "Options": options["DriverConfig"]["Options"],
        "Labels": options["Labels"],
    }
    return _compare("Volume.", wanted, volume)


def inspected(container: Mapping[str, Any], volume: Mapping[str, Any]) -> Inspected:
    """The limits in the engine's inspections of a room, and of its exchange volume, that differ in nothing."""
    host = container["HostConfig"]
    ulimits = {limit["Name"]: limit["Hard"] for limit in host["Ulimits"]}
    exchange = volume["Options"]["o"]
    (profile,) = (found for option in host["SecurityOpt"] if (found := option.partition("seccomp=")[2]))
    return Inspected(
        image_id=container["Image"],
        runtime=host["Runtime"],
        memory=host["Memory"],
        cpus=host["NanoCpus"] / 1e9,
        pids=host["PidsLimit"],
        tmp=_number("size", next(iter(host["Tmpfs"].values()))),
        exchange=_number("size", exchange),
        inodes=_number("nr_inodes", exchange),
        shm=host["ShmSize"],
        nofile=ulimits["nofile"],
        file=ulimits["fsize"],
        seccomp_digest=profile_digest(profile),
    )


def profile_digest(profile: str) -> str:
    """SHA-256 of a seccomp profile's text, hexadecimal."""
    return hashlib.sha256(profile.encode()).hexdigest()


def _number(option: str, options: str) -> int:
    return int(re.findall(rf"(?:^|,){option}=(\d+)", options)[0])


_HARMLESS_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "GPG_KEY", "PYTHON_VERSION", "PYTHON_SHA256")
"""Variables that base images set. The supervisor drops them all; LD_PRELOAD and its like would act before it could."""


def _environment_differences(asked: Sequence[str], got: Sequence[str]) -> Iterator[str]:
    for entry in got:
        name = entry.partition("=")[0]
        if entry not in asked and name not in _HARMLESS_ENVIRONMENT:
            yield f"Config.Env: {name} is set"
    yield from (f"Config.Env: {entry} is missing" for entry in asked if entry not in got)


def _config_part(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in asked.items() if key not in ("Image", "HostConfig", "Env", "Labels")}


def _mounts_asked(cage: Cage) -> list[tuple[str, str, str, bool]]:
    mounts = [("volume", cage.exchange, paths.EXCHANGE, True)]
    if cage.data:
        mounts.append(("volume", cage.data.name, paths.DATA, False))
    if cage.handover:
        mounts.append(("volume", cage.handover.name, paths.HANDOVER, cage.handover.writable))
    return sorted(mounts)


def _compare(prefix: str, asked: Mapping[str, Any], got: Mapping[str, Any]) -> list[str]:
    return [
        f"{prefix}{key}: asked {_shown(value)}, got {_shown(got.get(key))}"
        for key, value in asked.items()
        if _normal(key, value) != _normal(key, got.get(key))
    ]


def _shown(value: Any) -> str:
    """For a message: a seccomp profile alone has thousands of characters."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"


def _normal(key: str, value: Any) -> Any:
    """Engines leave out what is empty or false, order lists as they like, and call "no restart" by two names."""
    if key == "RestartPolicy":
        return (value or {}).get("Name") or "no"
    if key in ("Ulimits", "Mounts", "CapDrop", "SecurityOpt", "DeviceRequests"):
        return sorted((_without_empty(item) for item in value or []), key=repr)
    return None if value in _EMPTY else _without_empty(value)


_EMPTY: tuple[Any, ...] = (None, False, "", [], {})


def _without_empty(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_empty(v) for k, v in sorted(value.items()) if v not in _EMPTY}
    return value
