"""What a room says on its streams: words, archives, and whatever else it may come up with."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from fumehood.sandbox.exchange import Rejected
from fumehood.sandbox.stream import Stream
from fumehood_shared import caps

pytestmark = pytest.mark.unit


class Far:
    """The engine's end of an attached connection, and the room behind it."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end

    def says(self, content: bytes, kind: int = 1, frame: int = 32_768) -> None:
        for start in range(0, len(content), frame):
            part = content[start : start + frame]
            self.end.sendall(struct.pack(">BxxxL", kind, len(part)) + part)

    def hears(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            found += self.end.recv(size - len(found))
        return found

    def answers(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.says(b"tar %d\n" % len(piece) + piece)
        self.says(b"tar 0\n")


@contextmanager
def connected() -> Iterator[tuple[Stream, Far]]:
    near, far = socket.socketpair()
    with near, far:
        stream = Stream(SimpleNamespace(_sock=near, close=near.close))
        yield stream, Far(far)
        stream.close()


def soon() -> float:
    return time.monotonic() + 5.0


def test_a_word_is_heard_once_it_is_said_and_no_other() -> None:
    with connected() as (stream, far):
        far.says(b"nonsense\nready\n")
        assert stream.wait_for("ready", soon()) is True
        assert stream.wait_for("done", time.monotonic() + 0.05) is None
        far.end.shutdown(socket.SHUT_RDWR)
        assert stream.wait_for("done", soon()) is False
        assert stream.has_ended


@pytest.mark.parametrize("frame", [1, 7, 4096])
def test_an_archive_arrives_whole_however_it_is_cut(frame: int) -> None:
    content = bytes(range(256)) * 40 + b"\nready\ntar 0\n"
    with connected() as (stream, far):
        with stream.archive("give /x", 5.0) as pieces:
            assert far.hears(8) == b"give /x\n"
            said = b"tar %d\n" % len(content) + content + b"tar 0\n"
            threading.Thread(target=far.says, args=[said], kwargs={"frame": frame}).start()
            assert b"".join(pieces) == content
        assert stream.wait_for("ready", time.monotonic() + 0.05) is None, "bytes of an archive are no words"


def test_what_nobody_takes_is_dropped_and_the_next_archive_begins_at_its_beginning() -> None:
    with connected() as (stream, far):
        with stream.archive("give /a", 5.0) as pieces:
            sender = threading.Thread(target=far.answers, args=[b"a" * 100_000] * 200)
            sender.start()
            assert next(pieces) == b"a" * len(b"a" * min(100_000, 32_768 - len("tar 100000\n")))
        with stream.archive("give /b", 5.0) as pieces:
            sender.join(5.0)
            assert not sender.is_alive(), "the reader goes on reading"
            far.answers(b"b")
            assert b"".join(pieces) == b"b"


def test_a_room_that_ends_in_the_middle_or_says_nothing_is_rejected() -> None:
    with connected() as (stream, far):
        with stream.archive("give /x", 0.1) as pieces, pytest.raises(Rejected, match="did not answer"):
            list(pieces)
        far.says(b"tar 0\ntar 3\nab")
        far.end.shutdown(socket.SHUT_RDWR)
        with stream.archive("give /x", 5.0) as pieces, pytest.raises(Rejected, match="in the middle"):
            list(pieces)
        with stream.archive("give /x", 5.0) as pieces, pytest.raises(Rejected, match="in the middle"):
            list(pieces)


def test_bytes_that_nobody_asked_for_and_impossible_sizes_are_nobodys() -> None:
    with connected() as (stream, far):
        far.says(b"tar 5\nhello" + b"tar -1\ntar x\ntar\ntar 0\n" + b"x" * 100_000 + b"\ndone\n")
        assert stream.wait_for("done", soon()) is True
        said = b"tar %d\n" % 10**15 + bytes(caps.PIECE_BYTES) + b"tar 0\n"
        with stream.archive("give /x", 5.0) as pieces:
            threading.Thread(target=far.says, args=[said]).start()
            assert sum(map(len, pieces)) == caps.PIECE_BYTES, "a piece is never longer than agreed"


def test_last_words_are_kept_and_a_flood_of_them_is_not() -> None:
    with connected() as (stream, far):
        far.says(b"x" * 1_000_000 + b"the reason", kind=2)
        far.says(b"done\n")
        assert stream.wait_for("done", soon())
        assert stream.errors.endswith("the reason")
        assert len(stream.errors) <= 16 * 1024


def test_a_file_is_announced_with_its_size_and_sent() -> None:
    with connected() as (stream, far):
        stream.put("raw/data.csv", 6, [b"abc", b"def"])
        assert far.hears(25) == b"put raw/data.csv 6\nabcdef"
