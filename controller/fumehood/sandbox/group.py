"""Rooms that are given up together: one call from any thread, and nobody waits for any of them any longer.

Giving up only hangs up. Each room is still destroyed by the thread that entered it, on its way out of the ``with``.
"""

import threading
from weakref import WeakSet

from fumehood.sandbox.stream import Stream


class Abandoned(Exception):
    """Raised out of a room of a group that was given up. Whoever gave it up knows why, and raises that."""


class RoomGroup:
    """Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._streams: set[Stream] = set()
        self._parts: WeakSet[RoomGroup] = WeakSet()
        self._abandoned = False

    def part(self) -> "RoomGroup":
        """A group that can be given up alone, and is given up with this one."""
        part = RoomGroup()
        with self._lock:
            self._parts.add(part)
            part._abandoned = self._abandoned
        return part

    def check(self) -> None:
        """Raises Abandoned once the group is given up."""
        if self._abandoned:
            raise Abandoned

    def add(self, stream: Stream) -> None:
        with self._lock:
            self._streams.add(stream)
        self.check()

    def discard(self, stream: Stream) -> None:
        with self._lock:
            self._streams.discard(stream)

    def abandon(self) -> None:
        """Hang up on every room, and let no other one be entered."""
        with self._lock:
            self._abandoned = True
            streams, parts = list(self._streams), list(self._parts)
        for stream in streams:
            stream.close()
        for part in parts:
            part.abandon()
