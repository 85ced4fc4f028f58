"""Device nodes and driver files of a room: those that were granted, and no others? Pure.

Without a grant a room has the nodes that every container has. With one, the driver's own list says which nodes belong
to which GPU, so the granted ones are known and any other GPU's is named. Files of the driver are accepted by the
policy's list only, and never writable; a socket is never accepted.
"""

import re
from collections.abc import Iterator
from typing import Final

from fumehood.policy import matches
from fumehood.sandbox.cage import Cage, Grant
from fumehood_shared.messages import Attestation, GpuFact, MountFact

_NEEDED: Final = ("nvidiactl", "nvidia-uvm")
"""Without these CUDA does not start."""
_GPU: Final = re.compile(r"nvidia\d+")
_MIG_RIGHT: Final = re.compile(r"nvidia-caps/nvidia-cap(\d+)")
_MIG_MANAGEMENT: Final = ("nvidia-caps/nvidia-cap1", "nvidia-caps/nvidia-cap2")
"""The rights to configure and to watch MIG instances: the driver numbers them so on every host."""
_RIGHTS_PER_INSTANCE: Final = 2
"""One to the GPU instance, one to the compute instance in it."""


def problems(grant: Grant | None, seen: Attestation, ordinary: frozenset[str]) -> Iterator[str]:
    """Nodes and GPUs otherwise than granted; ``ordinary`` are the names that every room has."""
    own = _own_nodes(grant, seen)
    for name in seen.devices:
        if name not in ordinary and name not in own and not (grant and _may_come_along(name, grant)):
            yield f"devices: {name} is not expected"
    if grant is not None:
        yield from _missing(grant, seen)
        yield from _mig_rights(grant, seen)


def _own_nodes(grant: Grant | None, seen: Attestation) -> frozenset[str]:
    """The nodes of the granted GPUs. Where the driver shows no list (gVisor), as many as were granted."""
    if grant is None:
        return frozenset()
    if seen.gpus is None:
        found = [name for name in seen.devices if _GPU.fullmatch(name)]
        return frozenset(found[: len(_cards(grant))])
    return frozenset(node for gpu in _granted(grant, seen.gpus) for node in gpu.nodes)


def _granted(grant: Grant, listed: tuple[GpuFact, ...]) -> list[GpuFact]:
    return [gpu for gpu in listed if gpu.uuid in _cards(grant)]


def _cards(grant: Grant) -> list[str]:
    return sorted({gpu.card for gpu in grant.gpus})


def _may_come_along(name: str, grant: Grant) -> bool:
    return name not in _MIG_MANAGEMENT and not _GPU.fullmatch(name) and matches(name, grant.access.nodes)


def _missing(grant: Grant, seen: Attestation) -> Iterator[str]:
    yield from (f"devices: {name} is missing" for name in _NEEDED if name not in seen.devices)
    if seen.gpus is None:
        count = sum(_GPU.fullmatch(name) is not None for name in seen.devices)
        if count != len(_cards(grant)):
            yield f"gpus: expected {len(_cards(grant))}, seen {count}"
        return
    listed = {gpu.uuid: gpu.nodes for gpu in seen.gpus}
    for card in _cards(grant):
        if card not in listed:
            yield f"gpus: {card} is not listed by the driver"
        elif listed[card][0] not in seen.devices:
            yield f"devices: {listed[card][0]}, of {card}, is missing"


def _mig_rights(grant: Grant, seen: Attestation) -> Iterator[str]:
    """Which instance a right is to cannot be seen; that there are no more than were granted can."""
    rights = [name for name in seen.devices if _MIG_RIGHT.fullmatch(name)]
    most = _RIGHTS_PER_INSTANCE * sum(gpu.is_mig for gpu in grant.gpus)
    if len(rights) > most:
        yield f"devices: {len(rights)} rights to MIG instances, expected {most} at most"


def needed_options(mount: MountFact, cage: Cage, seen: Attestation) -> set[str] | None:
    """Options that a mount of the vendor's runtime must carry, or None where it may not be there."""
    if cage.grant is None:
        return None
    node = mount.path.removeprefix("/dev/")
    if node != mount.path and mount.kind == "device":
        granted = node in _own_nodes(cage.grant, seen) or _may_come_along(node, cage.grant)
        return {"nosuid"} if granted else None
    if mount.kind == "file" and matches(mount.path, cage.grant.access.files):
        return {"ro", "nosuid", "nodev"}
    return None
