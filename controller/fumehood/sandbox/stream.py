"""The attached standard streams of one room: a thread reads them always, and keeps little.

An unread stream blocks the engine's ``kill``, ``inspect`` and ``rm``; so the reader waits on nothing but the socket.
What it hears are hints: two words of the supervisor's, and the end of the stream.
"""

import contextlib
import socket
import struct
import threading
import time
from typing import Any

_HEADER = struct.Struct(">BxxxL")
_STDERR = 2
_KEPT = 16 * 1024
_LINE = 64
"""Longest line that is looked at; our words are shorter."""


class Stream:
    """Wraps the hijacked connection that the engine's attach call returned."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._socket: socket.socket = getattr(connection, "_sock", connection)
        self._socket.settimeout(None)
        self._changed = threading.Condition()
        self._words: list[str] = []
        self._errors = bytearray()
        self._ended = False
        threading.Thread(target=self._read, name="room-stream", daemon=True).start()

    def wait_for(self, word: str, deadline: float) -> bool | None:
        """True once the supervisor said ``word``, False if the stream ended first, None at ``deadline`` (monotonic)."""
        with self._changed:
            while word not in self._words:
                if self._ended:
                    return False
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)
            return True

    def say(self, word: str) -> None:
        """Write one line to the supervisor's standard input. A room that is gone already shows at the next wait."""
        with contextlib.suppress(OSError):
            self._socket.sendall(f"{word}\n".encode())

    @property
    def errors(self) -> str:
        """End of what came on standard error: the supervisor's own last words, if it had any."""
        return self._errors.decode("utf-8", "replace")

    def close(self) -> None:
        """Close our end. The room's lifeline breaks with it."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._connection.close()

    def _read(self) -> None:
        line = bytearray()
        try:
            while header := self._exactly(_HEADER.size):
                kind, size = _HEADER.unpack(header)
                while size > 0:
                    chunk = self._socket.recv(min(size, 65_536))
                    if not chunk:
                        return
                    size -= len(chunk)
                    if kind == _STDERR:
                        self._errors += chunk
                        del self._errors[:-_KEPT]
                    else:
                        self._hear(line, chunk)
        except OSError:
            pass  # closed by us or by the engine: either way the stream has ended
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _exactly(self, size: int) -> bytes:
        parts = b""
        while len(parts) < size:
            chunk = self._socket.recv(size - len(parts))
            if not chunk:
                return b""
            parts += chunk
        return parts

    def _hear(self, line: bytearray, chunk: bytes) -> None:
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            line += part[:_LINE]
            word = bytes(line[:_LINE])
            line.clear()
            if word in (b"ready", b"done"):
                with self._changed:
                    self._words.append(word.decode())
                    del self._words[:-4]
                    self._changed.notify_all()
        line += rest[:_LINE]
        del line[_LINE:]
