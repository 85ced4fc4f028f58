"""Removes the containers and volumes of owners that are proven dead, and nothing else.

Used at the start of every run, by ``fumehood gc``, and by the watchdog for one owner.
"""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

import docker
from docker.errors import APIError, NotFound

from fumehood.sandbox.owner import KIND, OWNER, Place, is_dead
from fumehood.sandbox.room import engine_errors, remove_container, remove_volume


@dataclass(frozen=True)
class Litter:
    """What dead owners left: names as the engine knows them, each with its kind (room, data, exchange)."""

    containers: Mapping[str, str]
    volumes: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.containers) + len(self.volumes)


def find(api: docker.APIClient, owner: str | None = None) -> Litter:
    """What is to be removed: everything of ``owner``, or of every owner that is proven dead.

    The engine is asked for plain lists: a detailed look at each container blocks on one whose archive is being read.
    """
    query = {"label": [f"{OWNER}={owner}" if owner else OWNER]}
    with engine_errors("listing what earlier runs left"):
        containers = {c["Id"]: c.get("Labels") or {} for c in api.containers(all=True, filters=query)}
        volumes = {v["Name"]: v.get("Labels") or {} for v in api.volumes(filters=query).get("Volumes") or []}
    if owner is None:
        place, now = Place.here(), time.time()
        verdicts: dict[str, bool] = {}
        for labels in [*containers.values(), *volumes.values()]:
            # One thing past its deadline proves nothing of an owner whose other things are not.
            verdicts[labels.get(OWNER, "")] = verdicts.get(labels.get(OWNER, ""), True) and is_dead(labels, place, now)
    else:
        verdicts = {owner: True}
    return Litter(_kinds(containers, verdicts), _kinds(volumes, verdicts))


def _kinds(found: Mapping[str, Mapping[str, str]], verdicts: Mapping[str, bool]) -> dict[str, str]:
    return {name: labels.get(KIND, "?") for name, labels in found.items() if verdicts.get(labels.get(OWNER, ""))}


def remove(api: docker.APIClient, litter: Litter) -> None:
    """Remove containers first, since a volume in use stays. A volume that somebody else took meanwhile stays too."""
    with engine_errors("removing what earlier runs left"):
        for name in litter.containers:
            remove_container(api, name)
        for name in litter.volumes:
            with contextlib.suppress(APIError, NotFound):
                remove_volume(api, name)
