"""A volume with a run's training arrays: filled once, checked by digest, mounted read-only into train rooms.

It is filled through a container that is created and never started, so that nothing ever ran where it is writable.
"""

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import docker

from fumehood.errors import EngineError
from fumehood.sandbox import exchange
from fumehood.sandbox.cage import DataVolume
from fumehood.sandbox.download import allowed_s, download
from fumehood.sandbox.exchange import Expected, Outgoing, Parcel, Rejected
from fumehood.sandbox.owner import Owner
from fumehood.sandbox.room import engine_errors, remove_container, remove_volume
from fumehood_shared import caps, paths


@contextlib.contextmanager
def data_volume(api: docker.APIClient, owner: Owner, lifetime_s: float) -> Iterator[DataVolume]:
    """An empty volume for as long as the context lasts. Rooms may have it mounted before it is filled."""
    name = f"fumehood-data-{secrets.token_hex(8)}"
    labels = owner.labels("data", lifetime_s)
    try:
        with engine_errors("making the data volume"):
            api.create_volume(name, driver="local", labels=labels)
        yield DataVolume(name, labels)
    except BaseException:
        # What failed is to be told, not what could not be removed because of it: that is the watchdog's.
        with contextlib.suppress(EngineError):
            _remove(api, name)
        raise
    _remove(api, name)


def fill(
    api: docker.APIClient, volume: DataVolume, image_id: str, files: Mapping[str, Path], digests: Mapping[str, str]
) -> None:
    """Put ``files`` (name -> file of ours) into an empty volume.

    Raises EngineError if what the engine gives back does not have the given SHA-256 ``digests``.
    """
    with engine_errors("filling the data volume"):
        _fill(api, volume.name, volume.labels, image_id, files, digests)


def _remove(api: docker.APIClient, name: str) -> None:
    with engine_errors("removing the data volume"):
        remove_volume(api, name)


def _fill(
    api: docker.APIClient,
    name: str,
    labels: Mapping[str, str],
    image_id: str,
    files: Mapping[str, Path],
    digests: Mapping[str, str],
) -> None:
    volume = {"Type": "volume", "Source": name, "Target": paths.DATA, "VolumeOptions": {"NoCopy": True}}
    host = {"NetworkMode": "none", "Mounts": [volume], "LogConfig": {"Type": "none"}}
    body = {"Image": image_id, "Labels": dict(labels), "NetworkDisabled": True, "HostConfig": host}
    loader = f"{name}-loader"
    try:
        api.create_container_from_config(body, loader)
        api.put_archive(loader, paths.DATA, Parcel(Outgoing(n, f) for n, f in files.items()))
        _check(api, loader, files, digests)
    finally:
        remove_container(api, loader)


def _check(api: docker.APIClient, loader: str, files: Mapping[str, Path], digests: Mapping[str, str]) -> None:
    sizes = {name: path.stat().st_size for name, path in files.items()}
    expected = {name: Expected(size, exact=True, hash_only=True) for name, size in sizes.items()}
    cap = sum(sizes.values()) + caps.MIB
    try:
        with download(api, loader, paths.DATA, allowed_s(cap)) as chunks:
            found = exchange.unpack(chunks, paths.DATA.strip("/"), expected, cap)
    except Rejected as error:
        raise EngineError(f"the data volume does not hold what was put into it: {error}", "run again") from error
    if {name: file.digest for name, file in found.items()} != dict(digests):
        raise EngineError("the data volume does not hold what was put into it: digests differ", "run again")
