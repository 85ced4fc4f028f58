"""What the engine tells of rooms, as it happens: it remembers the last few hundred events only, of everybody's.

That a room works it does not tell, since a job enters over the room's own streams; the kernel does.
"""

import contextlib
import threading
from pathlib import Path
from typing import Any, NamedTuple

import docker
import docker.errors
from requests.exceptions import RequestException

_GLANCE_S = 0.01


class Heard(NamedTuple):
    action: str
    """Such as ``create``, ``start``, ``die``, ``extract-to-dir``."""
    kind: str
    """The room's role."""
    run: str
    owner: str
    container: str


class Ear:
    """Listens from when it is made until it is closed."""

    def __init__(self, api: docker.APIClient) -> None:
        self.heard: list[Heard] = []
        self.worked: set[Heard] = set()
        """The start of every room that was seen to have a job since."""
        self._api = api
        self._pids: dict[str, int] = {}
        self._closed = threading.Event()
        self._stream: Any = api.events(decode=True, filters={"type": "container"})
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._watch, daemon=True).start()

    def close(self) -> None:
        self._closed.set()
        with contextlib.suppress(OSError):
            self._stream.close()

    def working(self, role: str, run: str) -> int:
        """Rooms of that role and run that have a job: their first process has forked a worker."""
        started = [h for h in list(self.heard) if (h.action, h.kind, h.run) == ("start", role, run)]
        return sum(self._works(room) for room in started)

    def _watch(self) -> None:
        """The shortest job takes a tenth of a second."""
        while not self._closed.wait(_GLANCE_S):
            for room in [h for h in list(self.heard) if h.action == "start" and h not in self.worked]:
                self._works(room)

    def _works(self, room: Heard) -> bool:
        if works := has_worker(self._pid(room.container)):
            self.worked.add(room)
        return works

    def _pid(self, container: str) -> int:
        """Of its first process; 0 where it is gone."""
        if container not in self._pids:
            try:
                self._pids[container] = self._api.inspect_container(container)["State"]["Pid"]
            except (docker.errors.DockerException, RequestException):
                return 0
        return self._pids[container]

    def _listen(self) -> None:
        with contextlib.suppress(OSError, RequestException):  # the engine went away, or we closed it
            for event in self._stream:
                room = event["Actor"]["Attributes"]
                if "fumehood.run" in room:
                    labels = (room[f"fumehood.{name}"] for name in ("kind", "run", "owner"))
                    self.heard.append(Heard(event["Action"], *labels, event["Actor"]["ID"]))


def has_worker(pid: int) -> bool:
    try:
        return pid > 0 and bool(Path(f"/proc/{pid}/task/{pid}/children").read_text())
    except OSError:  # ended
        return False
