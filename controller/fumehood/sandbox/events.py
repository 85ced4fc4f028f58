"""What the engine says of one owner's rooms while a host is open: its event stream, read by a thread of its own.

It tells two things that no room can fake, and both mean that a room did not end by its own doing: the stream ended,
so the engine went away (it never ends one that is wanted); and somebody had a room stopped or killed.
"""

import contextlib
import threading

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

from fumehood.sandbox.owner import OWNER

_PATIENCE_S = 5.0
"""Longest wait for the engine to tell of a room that is known to have died."""
_AFTERWORD_S = 0.3
"""The word that somebody killed a room comes from another part of the engine than the word of its death."""
_JOIN_S = 5.0


class Events:
    """Opened at once; raises what the engine's client raises. Watches from construction to ``close``."""

    def __init__(self, api: docker.APIClient, owner: str) -> None:
        self._changed = threading.Condition()
        self._died: set[str] = set()
        self._killed: set[str] = set()
        self._lost = False
        self._stream = api.events(decode=True, filters={"type": "container", "label": f"{OWNER}={owner}"})
        self._thread = threading.Thread(target=self._read, name="engine-events", daemon=True)
        self._thread.start()

    def interruption(self, container: str, *, died: bool) -> str | None:
        """What ended ``container`` (its full id) from outside, as a clause; None where nothing is known to have.

        Of one that ``died`` the engine's own word is waited for: as long as it gave none, it may have gone away.
        """
        with self._changed:
            if died:
                self._changed.wait_for(lambda: self._lost or container in self._died, _PATIENCE_S)
                self._changed.wait_for(lambda: self._lost or container in self._killed, _AFTERWORD_S)
            if self._lost:
                return "the engine went away meanwhile"
            return "somebody had it stopped from outside" if container in self._killed else None

    def close(self) -> None:
        with contextlib.suppress(DockerException, OSError):
            self._stream.close()
        self._thread.join(_JOIN_S)

    def _read(self) -> None:
        with contextlib.suppress(DockerException, RequestException, OSError, ValueError):
            for event in self._stream:
                self._hear(event.get("Action", ""), event.get("Actor", {}).get("ID", ""))
        with self._changed:
            self._lost = True
            self._changed.notify_all()

    def _hear(self, action: str, container: str) -> None:
        heard = {"die": self._died, "kill": self._killed}.get(action)
        if heard is not None:
            with self._changed:
                heard.add(container)
                self._changed.notify_all()
