"""A mirror of data files on the loopback interface: serves ranges, and misbehaves where a test wants it to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Mirror:
    """``files`` by name. ``cuts``: of a name, after how many bytes the next answers break off, one after another."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cuts: dict[str, list[int]] = field(default_factory=dict)
    ranges: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Name and Range header of every request."""

    def ranges_asked(self, name: str) -> list[str]:
        return [asked for of, asked in self.asked if of == name]


@contextmanager
def serving(mirror: Mirror) -> Iterator[Mirror]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(self, mirror)

        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        mirror.url = f"http://127.0.0.1:{server.server_port}/"
        try:
            yield mirror
        finally:
            server.shutdown()
            thread.join()


def _answer(request: BaseHTTPRequestHandler, mirror: Mirror) -> None:
    name, asked = request.path.lstrip("/"), request.headers.get("Range", "")
    mirror.asked.append((name, asked))
    content = mirror.files.get(name)
    if content is None:
        request.send_error(404)
        return
    start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and mirror.ranges else 0
    if start and start >= len(content):
        request.send_response(416)
        request.send_header("Content-Range", f"bytes */{len(content)}")
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    request.send_response(206 if start else 200)
    if start:
        request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    request.send_header("Content-Length", str(len(content) - start))
    request.end_headers()
    cuts = mirror.cuts.get(name)
    rest = content[start:]
    if cuts:
        request.wfile.write(rest[: cuts.pop(0)])
        request.close_connection = True
        return
    request.wfile.write(rest)
