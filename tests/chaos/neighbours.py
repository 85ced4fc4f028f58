"""Others on the same engine: a stranger's container and volume, and owners of ours, of this account and of another.

They do nothing but exist. Whatever happens to a run beside them, they must be there afterwards, unharmed.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from fumehood.sandbox.room import remove_container, remove_volume
from integration.lab import environment

OTHER_UID = 65_033
_LIVING = """
import sys
from fumehood import policy
from fumehood.sandbox.host import open_host
with open_host(policy.load("ci"), sys.argv[1]) as host, host.room("train") as room:
    room.ready()
    print(room.cage.name, host.owner.id, flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True)
class Neighbours:
    names: tuple[str, ...]
    """Of containers that run."""
    volumes: tuple[str, ...]
    locks: frozenset[str]
    """Lock files of those who live in our own state folder."""

    def harm(self, api: docker.APIClient) -> list[str]:
        """What is no longer as it was."""
        running = {name.lstrip("/") for c in api.containers() for name in c["Names"]}
        there = {v["Name"] for v in api.volumes().get("Volumes") or []}
        gone = [f"neighbour {name} does not run" for name in self.names if name not in running]
        return gone + [f"neighbour's volume {name} is gone" for name in self.volumes if name not in there]


@contextmanager
def neighbours(api: docker.APIClient, image_id: str, folder: Path, **changes: str) -> Iterator[Neighbours]:
    """A stranger, a second controller of this account and, where this is root's, one of another account."""
    with ExitStack() as stack:
        stranger = stack.enter_context(_stranger(api, image_id))
        mine, owner = stack.enter_context(living([], environment(**changes)))
        names, locks = [stranger, mine], {f"{owner}.lock"}
        if os.geteuid() == 0:
            other, _ = stack.enter_context(living(as_other_account(), elsewhere(folder, **changes)))
            names.append(other)
        yield Neighbours(tuple(names), (stranger,), frozenset(locks))


@contextmanager
def _stranger(api: docker.APIClient, image_id: str) -> Iterator[str]:
    """A container that runs and a volume, with names like ours and no label of ours."""
    name = f"fumehood-train-{secrets.token_hex(8)}"
    body = {"Image": image_id, "Entrypoint": ["/usr/bin/sleep", "3600"], "HostConfig": {"NetworkMode": "none"}}
    try:
        api.create_volume(name)
        api.create_container_from_config(body, name)
        api.start(name)
        yield name
    finally:
        remove_container(api, name)
        remove_volume(api, name)


@contextmanager
def living(prefix: list[str], variables: dict[str, str]) -> Iterator[tuple[str, str]]:
    """A controller with an open room, in a process of its own: the room's name and its owner's id."""
    with subprocess.Popen(
        [*prefix, sys.executable, "-c", _LIVING, "neighbour"], env=variables, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True, cwd="/",
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            name, owner = process.stdout.readline().split()
            yield name, owner
        finally:
            process.communicate()


def as_other_account() -> list[str]:
    """Run a command as another account that may use the engine's socket.

    It can read everything, this account's state included, since Python may lie where only root looks: so whatever it
    leaves alone, it leaves alone because it is not its own.
    """
    group = Path(engine_socket()).stat().st_gid
    return [
        "setpriv", f"--reuid={OTHER_UID}", f"--regid={OTHER_UID}", f"--groups={group}",
        "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search", "--",
    ]  # fmt: skip


def engine_socket() -> str:
    return os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")


def elsewhere(folder: Path, **changes: str) -> dict[str, str]:
    """The environment of another account, whose home lies below ``folder``."""
    home = folder / "other-account"
    if not home.is_dir():
        home.mkdir()
        os.chown(home, OTHER_UID, OTHER_UID)
    places = {"HOME": str(home), "XDG_STATE_HOME": str(home), "XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    return environment(**{**places, "MPLCONFIGDIR": str(home), **changes})
