"""The base image from a registry: resolved once, recorded, and the same one ever after."""

import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import docker
import pytest
from docker.errors import ImageNotFound

from fumehood.errors import EngineError
from fumehood.sandbox import base, engine

pytestmark = pytest.mark.integration

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class Registry(ThreadingHTTPServer):
    """A container registry with one repository, ``tiny``: blobs and manifests by digest, tags by name."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RegistryHandler)
        self.content: dict[str, tuple[str, bytes]] = {}
        self.asked: list[str] = []

    @property
    def reference(self) -> str:
        return f"127.0.0.1:{self.server_port}/tiny:1"

    def add(self, kind: str, content: bytes) -> dict[str, object]:
        """Store a blob or manifest and return its descriptor."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.content[digest] = (kind, content)
        return {"mediaType": kind, "digest": digest, "size": len(content)}

    def publish(self, name: str) -> str:
        """Let the tag ``1`` stand for an image with one file of that name; returns its digest."""
        import gzip

        layer = tar_with(name)
        rootfs = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]}
        config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs, "history": [{}]}
        described = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.add("application/vnd.docker.container.image.v1+json", json.dumps(config).encode()),
            "layers": [self.add(LAYER, gzip.compress(layer, mtime=0))],
        }
        digest = str(self.add(MANIFEST, json.dumps(described).encode())["digest"])
        self.content["1"] = self.content[digest]
        return digest


class RegistryHandler(BaseHTTPRequestHandler):
    server: Registry

    def do_HEAD(self) -> None:
        self.reply(with_body=False)

    def do_GET(self) -> None:
        self.reply(with_body=True)

    def reply(self, with_body: bool) -> None:
        self.server.asked.append(self.path)
        wanted = self.path.rpartition("/")[2]
        kind, content = ("text/plain", b"") if wanted == "" else self.server.content.get(wanted, ("", b""))
        self.send_response(200 if kind else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Docker-Content-Digest", f"sha256:{hashlib.sha256(content).hexdigest()}")
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


def tar_with(name: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    return out.getvalue()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[docker.DockerClient]:
    """The engine, and a user who never built anything."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("BASE_IMAGE", raising=False)
    found = engine.connect()
    yield found
    found.close()


@pytest.fixture
def registry(client: docker.DockerClient) -> Iterator[Registry]:
    with Registry() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
        for digest, (kind, _) in server.content.items():
            if kind == MANIFEST and digest != "1":
                remove(client, f"{server.reference.removesuffix(':1')}@{digest}")


def remove(client: docker.DockerClient, reference: str) -> None:
    try:
        client.images.remove(reference, force=True)
    except ImageNotFound:
        return


def test_a_tag_is_resolved_to_a_digest_and_pulled_at_it(client: docker.DockerClient, registry: Registry) -> None:
    digest = registry.publish("first")
    found = base.ensure(client, print, default=registry.reference)
    assert found.how == "registry"
    assert found.digest == digest
    assert found.reference == f"{registry.reference.removesuffix(':1')}@{digest}"
    assert client.images.get(found.reference).attrs["RepoDigests"] == [found.reference]


def test_a_tag_that_moved_does_not_move_the_base(client: docker.DockerClient, registry: Registry) -> None:
    first = registry.publish("first")
    found = base.ensure(client, print, default=registry.reference)
    assert registry.publish("second") != first
    registry.asked.clear()
    assert base.ensure(client, print, default=registry.reference) == found
    assert registry.asked == []


def test_a_recorded_base_that_was_removed_is_pulled_again_at_its_digest(
    client: docker.DockerClient, registry: Registry
) -> None:
    registry.publish("first")
    found = base.ensure(client, print, default=registry.reference)
    registry.publish("second")
    remove(client, found.reference)
    assert base.ensure(client, print, default=registry.reference) == found
    assert client.images.get(found.reference)


def test_a_record_that_is_not_json_is_an_error(client: docker.DockerClient, tmp_path: Path) -> None:
    (tmp_path / "fumehood").mkdir()
    (tmp_path / "fumehood" / "base-images.json").write_text("{")
    with pytest.raises(EngineError, match="is not JSON") as caught:
        base.ensure(client, print)
    assert "delete it" in caught.value.hint
