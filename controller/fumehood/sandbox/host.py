"""Everything needed to open rooms on one engine: client, images, policy, owner. Held open for the length of a command.

with open_host(policy, run_id=...) as host:
    with host.room("train", data=volume) as room: ...
"""

import contextlib
import os
import pwd
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import docker
from platformdirs import user_state_path

from fumehood import floor
from fumehood.policy import Policy, Role
from fumehood.sandbox import capability, confinement, engine, gpus, image, reaper
from fumehood.sandbox.cage import Cage, Confinement, DataVolume, Grant
from fumehood.sandbox.image import Images
from fumehood.sandbox.owner import Owner
from fumehood.sandbox.room import Room, engine_errors
from fumehood.sandbox.watchdog import watching

_FIRST_UID, _UIDS = 1_900_000_000, 100_000_000
"""Far above accounts, dynamic users and the usual subordinate ranges."""
_SPARE_S = 3600.0


def state_folder() -> Path:
    """Where this user's locks, ledger and records lie."""
    return user_state_path("fumehood", ensure_exists=True)


@dataclass(frozen=True)
class Host:
    api: docker.APIClient
    images: Images
    policy: Policy
    owner: Owner
    cpus: int
    grant: Grant | None
    """What every train and predict room is given."""
    confinement: Confinement | None

    def room(self, role: Role, data: DataVolume | None = None) -> Room:
        """A room that is not created yet: entering it does that."""
        limits = self.policy.limits(role)
        lifetime = limits.ready_s + limits.wall_s + _SPARE_S
        cage = Cage.of(
            self.policy,
            role,
            host_cpus=self.cpus,
            image_id=(self.images.prepare if role == "prepare" else self.images.sandbox).image_id,
            uid=_free_uid(),
            name=f"fumehood-{role}-{secrets.token_hex(8)}",
            exchange=f"fumehood-exchange-{secrets.token_hex(8)}",
            labels=self.owner.labels(role, lifetime),
            data=data,
            grant=None if role == "prepare" else self.grant,
            confinement=self.confinement,
        )
        return Room(self.api, cage)


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
    with Owner(state_folder(), run_id) as owner, watching(owner):
        yield Host(
            api=api,
            images=images,
            policy=policy,
            owner=owner,
            cpus=int(info["NCPU"]),
            grant=grant,
            confinement=confinement.of_host(info),
        )


def _free_uid() -> int:
    """A user id that no account of this host has; a room of its own uid shares no kernel budget with another."""
    while True:
        uid = _FIRST_UID + secrets.randbelow(_UIDS)
        try:
            pwd.getpwuid(uid)
        except KeyError:
            if uid != os.getuid():
                return uid
