"""An engine on a socket of its own that describes itself and can do nothing else. It remembers what it was asked."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

INFO: Mapping[str, Any] = {
    "CgroupVersion": "2", "CgroupDriver": "systemd", "MemoryLimit": True, "SwapLimit": True, "CpuCfsQuota": True,
    "PidsLimit": True, "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
    "Runtimes": {"runc": {}, "runsc": {}}, "NCPU": 2, "MemTotal": 8 * 2**30,
}  # fmt: skip
VERSION: Mapping[str, Any] = {
    "Version": "28.5.2", "ApiVersion": "1.44", "Os": "linux", "Arch": "amd64", "Components": [{"Name": "Engine"}],
}  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_GET(self) -> None:
        self.server.asked.append(f"GET {self.path}")
        name = self.path.partition("?")[0].rpartition("/")[2]
        found = self.server.answers.get(name)
        self._answer(200 if found is not None else 404, b"OK" if name == "_ping" else json.dumps(found or {}).encode())

    def do_POST(self) -> None:
        self.server.asked.append(f"POST {self.path}")
        self._answer(500, b'{"message": "this engine does nothing"}')

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


class _Server(ThreadingUnixStreamServer):
    def __init__(self, path: Path, answers: Mapping[str, Any], asked: list[str]) -> None:
        self.answers, self.asked = answers, asked
        super().__init__(str(path), _Handler)


@contextmanager
def answering(
    path: Path, *, info: Mapping[str, Any] = INFO, version: Mapping[str, Any] = VERSION, asked: list[str] | None = None
) -> Iterator[str]:
    """Address of an engine without images that describes itself so; requests to it are added to ``asked``."""
    answers = {"_ping": {}, "info": info, "version": version, "json": []}
    with _Server(path, answers, [] if asked is None else asked) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"unix://{path}"
        server.shutdown()
