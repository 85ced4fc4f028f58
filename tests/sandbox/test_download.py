"""Reading an archive from an engine ends, at the latest at the controller's own deadline."""

import contextlib
import http.server
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from fumehood.sandbox.download import allowed_s, download
from fumehood.sandbox.exchange import Expected, Rejected, unpack
from sandbox.archives import MIB, member, out

pytestmark = pytest.mark.unit
CONTENT = out(member("out/a", b"x" * 3000))


class Engine(http.server.BaseHTTPRequestHandler):
    """Answers every request for an archive as ``body`` says; as chunked as an engine does."""

    protocol_version = "HTTP/1.1"
    body: Callable[["Engine"], None]
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        with contextlib.suppress(OSError):
            type(self).body(self)

    def begin(self, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def chunk(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        return


class OnSocketFile(socketserver.ThreadingUnixStreamServer):
    daemon_threads, block_on_close = True, False


class OnPort(socketserver.ThreadingTCPServer):
    daemon_threads, block_on_close = True, False


@contextlib.contextmanager
def engine(body: Callable[[Engine], None], socket_file: Path | None = None) -> Iterator[tuple[Any, list[str]]]:
    """A client of an engine that answers with ``body``, and what it is asked; on a port, or on a socket file."""
    asked: list[str] = []
    handler = type("Handler", (Engine,), {"body": body, "asked": asked})
    with OnSocketFile(str(socket_file), handler) if socket_file else OnPort(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"unix://{socket_file}" if socket_file else f"tcp://127.0.0.1:{server.server_address[1]}"
        client = docker.APIClient(base_url=url, version="1.41", timeout=60)
        try:
            yield client, asked
        finally:
            client.close()
            server.shutdown()


def whole(engine: Engine) -> None:
    engine.begin(Transfer_Encoding="chunked")
    for start in range(0, len(CONTENT), 700):
        engine.chunk(CONTENT[start : start + 700])
    engine.chunk(b"")


def trickle_of_chunks(engine: Engine) -> None:
    """The archive has begun, and a byte comes now and then: never so late that the client's own timeout notices."""
    engine.begin(Transfer_Encoding="chunked")
    engine.chunk(CONTENT[:1024])
    while True:
        engine.chunk(b"x")
        time.sleep(0.1)


def trickle_within_a_chunk(engine: Engine) -> None:
    engine.begin(Transfer_Encoding="chunked")
    engine.wfile.write(b"100000\r\n")
    while True:
        engine.wfile.write(b"x")
        engine.wfile.flush()
        time.sleep(0.1)


def silence(engine: Engine) -> None:
    engine.begin(Transfer_Encoding="chunked")
    engine.wfile.flush()
    time.sleep(3600)


def silence_until_the_connection_ends(engine: Engine) -> None:
    engine.begin(Connection="close")
    engine.wfile.write(CONTENT[:600])
    engine.wfile.flush()
    time.sleep(3600)


def read(client: docker.APIClient, within_s: float) -> bytes:
    with download(client, "room", "/exchange/out", within_s) as chunks:
        return unpack(chunks, "out", {"a": Expected(5000)}, MIB)["a"].content


def test_an_archive_is_read_whole():
    with engine(whole) as (client, asked):
        assert read(client, 60) == b"x" * 3000
    assert asked == ["/v1.41/containers/room/archive?path=%2Fexchange%2Fout"]


@pytest.mark.parametrize("on_a_file", [True, False], ids=["socket file", "port"])
@pytest.mark.parametrize(
    "body", [trickle_of_chunks, trickle_within_a_chunk, silence, silence_until_the_connection_ends]
)
def test_an_archive_that_never_ends_is_rejected_at_the_deadline(body, on_a_file, tmp_path):
    with (
        engine(body, tmp_path / "engine.sock" if on_a_file else None) as (client, _),
        pytest.raises(Rejected, match="/exchange/out did not arrive within 1 s"),
    ):
        read(client, 1.0)


def test_with_a_later_deadline_a_trickle_is_read_for_as_long_as_it_comes():
    """The control: it is the deadline that ends it."""
    with engine(trickle_of_chunks) as (client, _), download(client, "room", "/x", 3600) as chunks:
        until = time.monotonic() + 2.0
        while time.monotonic() < until:
            assert next(chunks)


def test_a_path_that_is_not_there_is_a_rejection():
    def missing(engine: Engine) -> None:
        engine.begin(404, Content_Length="0")

    with engine(missing) as (client, _), pytest.raises(Rejected, match="there is no /exchange/out"):
        read(client, 60)


def test_what_the_engine_says_of_a_failure_is_kept():
    def broken(engine: Engine) -> None:
        said = b'{"message": "the disk is on fire"}'
        engine.begin(500, Content_Length=str(len(said)), Content_Type="application/json")
        engine.wfile.write(said)

    with engine(broken) as (client, _), pytest.raises(docker.errors.APIError, match="the disk is on fire"):
        read(client, 60)


def test_an_engine_that_breaks_off_is_not_taken_for_a_room_that_is_late():
    def cut(engine: Engine) -> None:
        engine.begin(Transfer_Encoding="chunked")
        engine.chunk(CONTENT[:1024])
        engine.connection.shutdown(socket.SHUT_RDWR)

    with engine(cut) as (client, _), pytest.raises(OSError, match=r"."):  # requests' errors are OSErrors
        read(client, 60)


def test_the_deadline_leaves_time_for_what_may_be_read():
    assert allowed_s(0) >= 30
    assert allowed_s(3 * 1024**3) > 600
