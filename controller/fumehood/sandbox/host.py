"""Everything needed to open rooms on one engine: client, images, policy, owner. Held open for the length of a command.

with open_host(policy, run_id=...) as host:
    with host.room("train", data=volume) as room: ...
"""

import contextlib
import os
import pwd
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import docker
from platformdirs import user_state_path

from fumehood import floor
from fumehood.errors import InternalError
from fumehood.policy import Policy, Role
from fumehood.sandbox import budget, capability, confinement, engine, gpus, image, reaper
from fumehood.sandbox.cage import Cage, Confinement, DataVolume, Grant, Handover
from fumehood.sandbox.events import Events
from fumehood.sandbox.group import RoomGroup
from fumehood.sandbox.image import Images
from fumehood.sandbox.owner import Owner, forget_dead
from fumehood.sandbox.room import Room, engine_errors
from fumehood.sandbox.watchdog import watching
from fumehood_shared import caps

_FIRST_UID, _UIDS = 1_900_000_000, 100_000_000
"""Far above accounts, dynamic users and the usual subordinate ranges."""
_SPARE_S = 3600.0
_HANDOVER_INODES = 2 * caps.SEEDS + 8
"""A folder and a file a seed, and little beside."""


def state_folder() -> Path:
    """Where this user's locks, ledger and records lie."""
    return user_state_path("fumehood", ensure_exists=True)


@dataclass(frozen=True)
class Host:
    api: docker.APIClient
    images: Images
    policy: Policy
    owner: Owner
    events: Events
    cpus: int
    grant: Grant | None
    """What every train and predict room is given."""
    confinement: Confinement | None
    memory_bytes: int
    """Of the engine's machine."""
    group: RoomGroup = field(default_factory=RoomGroup)
    """The rooms made here are given up together."""

    def at_once(self, *roles: Role) -> int:
        """How many sets of rooms, one of each role, to have at the same time beside all other rooms: at least one."""
        with engine_errors("looking for free memory"):
            free = budget.free_bytes(self.api, self.memory_bytes)
        return budget.at_once(free, sum(self.policy.limits(role).host_bytes for role in roles), self.cpus)

    def shared_among(self, parallel: int) -> "tuple[Host, ...]":
        """Hosts with what each of so many candidates may use: a share of the CPUs, and a share of the GPUs.

        They differ in nothing where no GPU can be shared out; then there is one of them.
        """
        one = replace(self, cpus=max(1, self.cpus // parallel))
        gpus = self.grant.gpus if self.grant else ()
        if self.grant is None or min(parallel, len(gpus)) < 2:
            return (one,)
        shares = min(parallel, len(gpus))
        return tuple(replace(one, grant=replace(self.grant, gpus=gpus[k::shares])) for k in range(shares))

    def room(self, role: Role, data: DataVolume | None = None) -> Room:
        """A room that is not created yet: entering it does that."""
        cage = self._cage(role, data)
        return self.room_as(replace(cage, handover=self._handover(cage)) if role == "train" else cage)

    def pair(self, data: DataVolume) -> tuple[Room, Room]:
        """A train room and the predict room that reads the weights it leaves, neither of them created yet."""
        train, predict = self.room("train", data), self._cage("predict", None)
        if train.cage.handover is None:
            raise InternalError("a train room has no volume for its weights")
        return train, self.room_as(replace(predict, handover=replace(train.cage.handover, writable=False)))

    def room_as(self, cage: Cage) -> Room:
        """A room that is as ``cage`` says, whatever the policy does: a control may leave a wall out."""
        another = partial(self.room, cage.role, cage.data)
        return Room(self.api, cage, events=self.events, group=self.group, another=another)

    def _cage(self, role: Role, data: DataVolume | None) -> Cage:
        limits = self.policy.limits(role)
        lifetime = limits.ready_s + limits.wall_s + _SPARE_S
        return Cage.of(
            self.policy,
            role,
            host_cpus=self.cpus,
            image_id=(self.images.prepare if role == "prepare" else self.images.sandbox).image_id,
            uid=_free_uid(),
            name=f"fumehood-{role}-{secrets.token_hex(8)}",
            exchange=f"fumehood-exchange-{secrets.token_hex(8)}",
            labels=self.owner.labels(role, lifetime) | budget.label(limits.host_bytes),
            data=data,
            grant=None if role == "prepare" else self.grant,
            confinement=self.confinement,
        )

    def _handover(self, train: Cage) -> Handover:
        """As large as the train room's exchange volume: what is written there is charged to the room that wrote it."""
        limits = train.limits
        return Handover(
            name=f"fumehood-handover-{secrets.token_hex(8)}",
            bytes=int(limits.exchange),
            inodes=min(limits.inodes, _HANDOVER_INODES),
            owner=train.uid,
            writable=True,
            labels=self.owner.labels("handover", 2 * (limits.ready_s + limits.wall_s) + _SPARE_S),
        )


@contextlib.contextmanager
def open_host(policy: Policy, run_id: str, *, uuids: Sequence[str] = ()) -> Iterator[Host]:
    """Connect, find the image, clear what dead runs left, and watch over what is going to be made.

    Rooms are given the GPUs of these ``uuids`` (see ``gpus.resolve``), and with them the image for CUDA. Raises
    PolicyError for a policy that is looser than the floor, however old the run that it comes from, EngineError where
    there is no engine or image, or the engine cannot enforce the policy or has not the GPUs.
    """
    floor.enforce(policy, floor.read())
    endpoint, client = engine.reach()
    api = client.api
    with engine_errors("looking at it"):
        info, version = api.info(), api.version()
    capability.require(info, version, policy)
    grant = gpus.grant(uuids, policy, info, local=endpoint.is_local)
    images = image.find(client, "cuda" if grant else "cpu")
    reaper.remove(api, reaper.find(api))
    forget_dead(state_folder())
    cpus, memory = int(info["NCPU"]), int(info["MemTotal"])
    with Owner(state_folder(), run_id) as owner, watching(owner), _listening(api, owner) as events:
        yield Host(api, images, policy, owner, events, cpus, grant, confinement.of_host(info), memory)


@contextlib.contextmanager
def _listening(api: docker.APIClient, owner: Owner) -> Iterator[Events]:
    with engine_errors("listening to its events"):
        events = Events(api, owner.id)
    with contextlib.closing(events):
        yield events


def _free_uid() -> int:
    """A user id that no account of this host has; a room of its own uid shares no kernel budget with another."""
    while True:
        uid = _FIRST_UID + secrets.randbelow(_UIDS)
        try:
            pwd.getpwuid(uid)
        except KeyError:
            if uid != os.getuid():
                return uid
