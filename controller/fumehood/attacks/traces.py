"""Looks at host and engine while a room works and after it is gone. Nothing in a room can change what is seen here."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import docker

from fumehood.sandbox import cage
from fumehood.sandbox.room import Room

_EVERY_S = 0.02


@dataclass(frozen=True)
class Traces:
    """By what a room can be found."""

    container: str
    pid: int
    """Of its first process."""
    volumes: frozenset[str]
    uid: int

    @classmethod
    def of(cls, api: docker.APIClient, room: Room) -> Self:
        seen = api.inspect_container(room.cage.name)
        return cls(
            container=seen["Id"],
            pid=seen["State"]["Pid"],
            volumes=frozenset(cage.volumes(room.cage)),
            uid=room.cage.uid,
        )

    def left(self, api: docker.APIClient) -> list[str]:
        """What engine and kernel still know of the room; empty for one that is gone."""
        known = {c["Id"] for c in api.containers(all=True)}
        volumes = {v["Name"] for v in api.volumes().get("Volumes") or []}
        return [
            *(["its container"] if self.container in known else []),
            *(["its volume"] if self.volumes & volumes else []),
            *(f"process {pid}" for pid in processes_of(self.uid)),
            *(f"cgroup {path}" for path in _cgroups_named(self.container)),
        ]


class Watch:
    """A context manager: the most tasks of a room, and the most memory of ours above the beginning, while it lasts."""

    def __init__(self, room: Traces) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="attack-watch", daemon=True)
        self._counter = _task_counter(room.container, room.pid)
        self._memory_before = _resident_bytes()
        self.tasks = self.memory_bytes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_EVERY_S):
            self.tasks = max(self.tasks, _number_in(self._counter))
            self.memory_bytes = max(self.memory_bytes, _resident_bytes() - self._memory_before)


class Stopwatch:
    """How long a block took: ``seconds``, once it is over."""

    seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds = time.monotonic() - began


def processes_of(uid: int) -> list[int]:
    """Processes of this machine that run as ``uid``; a room's uid belongs to no one else."""
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if _owner(path) == uid]


def _owner(process: Path) -> int | None:
    try:
        line = next(line for line in (process / "status").read_text().splitlines() if line.startswith("Uid:"))
    except (OSError, StopIteration):  # ended meanwhile
        return None
    return int(line.split()[1])


def _cgroups_named(container: str) -> list[str]:
    """Control groups of a container, on cgroup v1 and v2, with either driver."""
    scope = f"docker-{container}.scope"
    patterns = (f"*/docker/{container}", f"docker/{container}", f"*/*/{scope}", f"*/{scope}")
    return [str(path) for pattern in patterns for path in Path("/sys/fs/cgroup").glob(pattern)]


def _task_counter(container: str, pid: int) -> Path | None:
    """The kernel's own count of a container's processes and threads; None where the engine is on another machine."""
    try:
        lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    except OSError:
        return None
    folders = {controller: path for _, names, path in lines for controller in names.split(",") if container in path}
    tree = Path("/sys/fs/cgroup")
    if "pids" in folders:
        return tree / "pids" / folders["pids"].strip("/") / "pids.current"
    return tree / folders[""].strip("/") / "pids.current" if "" in folders else None


def _number_in(path: Path | None) -> int:
    try:
        return int(path.read_text()) if path else 0
    except OSError:  # gone with the room
        return 0


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
