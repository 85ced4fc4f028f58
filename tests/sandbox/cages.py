"""A cage, and what an engine that does everything right reports of it."""

import copy
from collections.abc import Mapping
from typing import Any

from fumehood import policy
from fumehood.sandbox import cage
from fumehood.sandbox.cage import Cage, DataVolume, Gpu, Grant, Handover
from fumehood_shared import paths
from fumehood_shared.messages import Attestation, GpuFact, MountFact

LABELS = {"fumehood.kind": "room", "fumehood.owner": "0011223344556677"}


CARD, OTHER_CARD = (f"GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a7{k}" for k in range(2))
INSTANCE = "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f"


def a_grant(*gpus: Gpu, through: Any = "nvidia") -> Grant:
    """One whole GPU, unless others are given."""
    return Grant(gpus or (Gpu(CARD, CARD),), through, policy.load("gpu").gpu)


def a_cage(**changes: Any) -> Cage:
    asked = {"image_id": "sha256:" + "5" * 64, "uid": 1_900_000_007, "name": "fumehood-train-1", "labels": LABELS}
    asked |= {"exchange": "fumehood-exchange-1", "data": DataVolume("fumehood-data-1")}
    if changes.get("role", "train") != "prepare":
        asked["handover"] = a_handover(writable=changes.get("role", "train") == "train")
    given = policy.load("gpu" if changes.get("grant") else "standard")
    return Cage.of(given, changes.pop("role", "train"), host_cpus=2, **(asked | changes))


def a_handover(*, writable: bool) -> Handover:
    labels = {"fumehood.kind": "handover", "fumehood.owner": "0011223344556677"}
    return Handover("fumehood-handover-1", 2**31, 136, owner=1_900_000_007, writable=writable, labels=labels)


def inspected(of: Cage) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Container and tmpfs volumes in the engine's words: fields moved, defaults filled in, lists in its own order."""
    asked = copy.deepcopy(cage.create_body(of))
    host = asked.pop("HostConfig")
    host |= {"CapAdd": None, "Binds": None, "Devices": [], "PortBindings": {}, "Privileged": False, "PidMode": ""}
    host |= {"MaskedPaths": ["/proc/kcore"], "ReadonlyPaths": ["/proc/sys"], "CpuShares": 0}
    host["DeviceRequests"] = [{"Count": 0, "Options": None, **request} for request in host["DeviceRequests"]] or None
    host["Ulimits"].reverse()
    config = {
        **asked,
        "Env": ["PATH=/usr/bin", *asked["Env"]],
        "Labels": {"fumehood.image": "sandbox", **asked["Labels"]},
    }
    mounts = [{"Type": "volume", "Name": of.exchange, "Destination": paths.EXCHANGE, "RW": True}]
    if of.data:
        mounts.insert(0, {"Type": "volume", "Name": of.data.name, "Destination": paths.DATA, "RW": False})
    volumes = [_volume(of.exchange, cage.exchange_options(of), of.labels)]
    if of.handover:
        there = {"Type": "volume", "Name": of.handover.name, "Destination": paths.HANDOVER}
        mounts.append({**there, "RW": of.handover.writable})
        volumes.append(_volume(of.handover.name, cage.handover_options(of.handover), of.handover.labels))
    return {"Image": of.image_id, "Config": config, "HostConfig": host, "Mounts": mounts}, volumes


def _volume(name: str, options: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, Any]:
    return {"Name": name, "Driver": "local", "Options": dict(options), "Labels": dict(labels)}


def attested(of: Cage, **changes: Any) -> Attestation:
    """What the first process of a room that is as asked reports."""
    shut, limits = ("rw", "noexec", "nosuid", "nodev"), of.limits
    mounts = [
        MountFact(path="/", fstype="overlay", options=("ro", "relatime")),
        MountFact(path="/proc", fstype="proc", options=("rw", "nosuid", "nodev", "noexec")),
        MountFact(path="/proc/sys", fstype="proc", options=("ro",)),
        MountFact(path="/proc/kcore", fstype="tmpfs", options=("rw", "nosuid")),
        MountFact(path="/sys", fstype="sysfs", options=("ro", "nosuid", "nodev", "noexec")),
        MountFact(path="/dev", fstype="tmpfs", options=("rw", "nosuid")),
        MountFact(path="/dev/shm", fstype="tmpfs", options=shut),
        MountFact(path="/tmp", fstype="tmpfs", options=shut),
        MountFact(path=paths.EXCHANGE, fstype="tmpfs", options=shut),
        MountFact(path="/etc/hosts", fstype="ext4", options=("ro",)),
    ]
    if of.data:
        mounts.append(MountFact(path=paths.DATA, fstype="ext4", options=("ro", "relatime")))
    if of.handover:
        options = shut if of.handover.writable else ("ro", "relatime")
        mounts.append(MountFact(path=paths.HANDOVER, fstype="tmpfs", options=options))
    none, file = "0" * 16, int(limits.file)
    seen = {
        "role": of.role, "uid": of.uid, "gid": of.uid, "groups": (), "no_new_privs": 1, "seccomp": 2,
        "cap_effective": none, "cap_permitted": none, "cap_inheritable": none, "cap_bounding": none,
        "cap_ambient": none, "interfaces": ("lo",), "mounts": tuple(mounts), "devices": ("full", "null", "urandom"),
        "rlimits": {"nofile": (limits.nofile, limits.nofile), "fsize": (file, file), "core": (0, 0), "nproc": (-1, -1)},
        "pid": 1, "dumpable": 0, "environment": ("PYTHONHASHSEED",), "root_writable": False,
        "exchange_bytes": int(limits.exchange), "handover_bytes": of.handover.bytes if of.handover else 0,
        "memory_limit": int(limits.memory), "pids_limit": limits.pids, "hostname": "room", "kernel": "6.1",
        "gpus": None, "cuda": None, "confinement": None, "versions": {"python": "3.11.2"},
    }  # fmt: skip
    if of.grant:
        seen |= _with_gpus(of.grant, seen)
    return Attestation(**(seen | changes))


def _with_gpus(grant: Grant, seen: dict[str, Any]) -> dict[str, Any]:
    """The same room with what NVIDIA's hook brings: nodes, a list of the granted cards, a library."""
    cards = sorted({gpu.card for gpu in grant.gpus})
    listed = tuple(GpuFact(uuid=card, nodes=(f"nvidia{k}", f"dri/renderD{128 + k}")) for k, card in enumerate(cards))
    rights = [f"nvidia-caps/nvidia-cap{21 + k}" for k in range(2 * sum(gpu.is_mig for gpu in grant.gpus))]
    nodes = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", *(gpu.nodes[0] for gpu in listed), *rights)
    bound = ("ro", "nosuid", "noexec")
    mounts = (
        MountFact(path="/proc/driver/nvidia", fstype="tmpfs", options=("rw", "nosuid", "nodev", "noexec")),
        MountFact(path="/proc/driver/nvidia/gpus/0000:00:1e.0", fstype="proc", options=("ro", *bound)),
        *(MountFact(path=f"/dev/{name}", fstype="devtmpfs", options=bound, kind="device") for name in nodes),
        driver_file("/usr/lib/x86_64-linux-gnu/libcuda.so.570.86.15"),
    )
    return {
        "devices": (*seen["devices"], *nodes),
        "mounts": (*seen["mounts"], *mounts),
        "gpus": listed,
        "cuda": "works",
    }


def driver_file(path: str, **changes: Any) -> MountFact:
    fact = {"path": path, "fstype": "ext4", "options": ("ro", "nosuid", "nodev", "relatime"), "kind": "file"}
    return MountFact(**(fact | changes))
