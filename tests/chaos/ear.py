"""What the engine tells of rooms, as it happens: it remembers the last few hundred events only, of everybody's."""

import contextlib
import threading
from typing import Any, NamedTuple

import docker
from requests.exceptions import RequestException


class Heard(NamedTuple):
    action: str
    """Such as ``create``, ``start``, ``die``, ``extract-to-dir``."""
    kind: str
    """The room's role."""
    run: str
    owner: str


class Ear:
    """Listens from when it is made until it is closed."""

    def __init__(self, api: docker.APIClient) -> None:
        self.heard: list[Heard] = []
        self._stream: Any = api.events(decode=True, filters={"type": "container"})
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError, RequestException):  # the engine went away, or we closed it
            for event in self._stream:
                room = event["Actor"]["Attributes"]
                if "fumehood.run" in room:
                    labels = (room[f"fumehood.{name}"] for name in ("kind", "run", "owner"))
                    self.heard.append(Heard(event["Action"], *labels))
