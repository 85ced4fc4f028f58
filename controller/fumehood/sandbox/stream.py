"""The attached standard streams of one room: a thread reads them always, and keeps little.

An unread stream blocks the engine's ``kill``, ``inspect`` and ``rm``; so the reader waits on nothing but the socket,
and on whoever takes an archive for as long as they do take it. What it hears are hints (two words of the supervisor's,
and the end of the stream) and pieces of archives, whose bytes are not looked at here (``exchange``).
"""

import contextlib
import queue
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, cast

from fumehood.sandbox.exchange import Rejected
from fumehood_shared import caps

_HEADER = struct.Struct(">BxxxL")
_STDERR = 2
_KEPT = 16 * 1024
_LINE = 64
"""Longest line that is looked at; our words are shorter."""
_BUFFER = 256 * 1024
_PIECES_WAITING = 64
_SEND_S = 60
"""A room reads what it is sent at once; an engine that takes nothing for so long shows at the next wait."""
_WORDS = (b"ready", b"done")


class Stream:
    """Wraps the hijacked connection that the engine's attach call returned."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._socket: socket.socket = getattr(connection, "_sock", connection)
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _SEND_S, 0))
        self._file = cast(BinaryIO, self._socket.makefile("rb", buffering=_BUFFER))
        self._changed = threading.Condition()
        self._words: list[str] = []
        self._errors = bytearray()
        self._ended = False
        self._inboxes: deque[_Inbox] = deque()
        """Of archives that were asked for and have not wholly come, in the order of asking."""
        threading.Thread(target=self._read, name="room-stream", daemon=True).start()

    # -- hearing --

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

    @property
    def has_ended(self) -> bool:
        return self._ended

    @property
    def errors(self) -> str:
        """End of what came on standard error: the supervisor's own last words, if it had any."""
        return self._errors.decode("utf-8", "replace")

    # -- saying --

    def say(self, line: str) -> None:
        """Write one line to the supervisor's standard input. A room that is gone already shows at the next wait."""
        self._write(f"{line}\n".encode())

    def put(self, name: str, size: int, pieces: Iterable[bytes]) -> None:
        """Send a file of exactly ``size`` bytes. Where ``pieces`` raises, the room is left in the middle of it."""
        self.say(f"put {name} {size}")
        for piece in pieces:
            self._write(piece)

    @contextlib.contextmanager
    def archive(self, command: str, within_s: float) -> Iterator[Iterator[bytes]]:
        """The archive that the supervisor sends for ``command``, in pieces; what is not taken is dropped.

        Iterating raises Rejected where the stream ends, or ``within_s`` seconds pass, before the archive's end.
        """
        inbox = _Inbox()
        with self._changed:
            self._inboxes.append(inbox)
            if self._ended:
                inbox.end()
        self.say(command)
        try:
            yield inbox.pieces(time.monotonic() + within_s, command)
        finally:
            inbox.close()

    def close(self) -> None:
        """Close our end. The room's lifeline breaks with it."""
        with self._changed:
            for inbox in self._inboxes:
                inbox.close()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._connection.close()

    def _write(self, content: bytes) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendall(content)

    # -- the reader's thread --

    def _read(self) -> None:
        ears = _Ears(self)
        try:
            while len(header := self._file.read(_HEADER.size)) == _HEADER.size:
                kind, size = _HEADER.unpack(header)
                while size > 0:
                    chunk = self._file.read(min(size, _BUFFER))
                    if not chunk:
                        return
                    size -= len(chunk)
                    if kind == _STDERR:
                        self._errors += chunk
                        del self._errors[:-_KEPT]
                    else:
                        ears.hear(chunk)
        except (OSError, ValueError):
            pass  # closed by us or by the engine: either way the stream has ended
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
                inboxes = list(self._inboxes)
            for inbox in inboxes:
                inbox.end()

    def heard(self, line: bytes) -> int:
        """One line of the supervisor's; the number of bytes of an archive that follow it."""
        if line in _WORDS:
            with self._changed:
                self._words.append(line.decode())
                del self._words[:-4]
                self._changed.notify_all()
        word, _, size = line.partition(b" ")
        if word != b"tar" or not size.isdigit():
            return 0
        if int(size) == 0 and self._inboxes:
            with self._changed:
                inbox = self._inboxes.popleft()
            inbox.finish()
        return min(int(size), caps.PIECE_BYTES)

    def received(self, piece: bytes) -> None:
        """Bytes of an archive; nobody's where none was asked for."""
        if self._inboxes:
            self._inboxes[0].put(piece)


class _Ears:
    """Parts what the supervisor says into lines and the bytes that follow some of them."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._line = bytearray()
        self._follows = 0

    def hear(self, chunk: bytes) -> None:
        while chunk:
            if self._follows:
                piece, chunk = chunk[: self._follows], chunk[self._follows :]
                self._follows -= len(piece)
                self._stream.received(piece)
                continue
            part, ended, chunk = chunk.partition(b"\n")
            self._line += part[: _LINE - len(self._line)]
            if ended:
                line = bytes(self._line)
                self._line.clear()
                self._follows = self._stream.heard(line)


class _Inbox:
    """Pieces on their way from the reader to whoever takes an archive; few wait at a time."""

    def __init__(self) -> None:
        self._pieces: queue.Queue[bytes | None] = queue.Queue(_PIECES_WAITING)
        self._closed = False
        self._whole = False

    def put(self, piece: bytes | None) -> None:
        """Waits while many wait already, and only as long as somebody is going to take them."""
        while not self._closed:
            with contextlib.suppress(queue.Full):
                self._pieces.put(piece, timeout=0.1)
                return

    def finish(self) -> None:
        """The archive is whole."""
        self._whole = True
        self.put(None)

    def end(self) -> None:
        """Nothing more comes."""
        self.put(None)

    def close(self) -> None:
        """Nobody takes any more."""
        self._closed = True

    def pieces(self, deadline: float, what: str) -> Iterator[bytes]:
        while True:
            try:
                piece = self._pieces.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise Rejected(f"the room did not answer {what!r} in time") from None
            if piece is None:
                break
            yield piece
        if not self._whole:
            raise Rejected(f"the room ended in the middle of its answer to {what!r}")
