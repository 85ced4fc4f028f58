"""Rooms that are given up together: one call from any thread, and nobody waits for any of them any longer.

Giving up only hangs up. Each room is still destroyed by the thread that entered it, on its way out of the ``with``.
"""

import threading

from fumehood.sandbox.stream import Stream


class Abandoned(Exception):
    """Raised out of a room of a group that was given up. Whoever gave it up knows why, and raises that."""


class RoomGroup:
    """Safe to use from any thread. What gives up the group that it is ``within`` gives up this one too."""

    def __init__(self, within: "RoomGroup | None" = None) -> None:
        self._within = within
        self._lock = threading.Lock()
        self._streams: set[Stream] = set()
        self._abandoned = False

    def check(self) -> None:
        """Raises Abandoned once the group is given up."""
        if self._abandoned:
            raise Abandoned
        if self._within is not None:
            self._within.check()

    def add(self, stream: Stream) -> None:
        with self._lock:
            self._streams.add(stream)
        if self._within is not None:
            self._within.add(stream)
        self.check()

    def discard(self, stream: Stream) -> None:
        if self._within is not None:
            self._within.discard(stream)
        with self._lock:
            self._streams.discard(stream)

    def abandon(self) -> None:
        """Hang up on every room, and let no other one be entered."""
        self._abandoned = True
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            stream.close()
