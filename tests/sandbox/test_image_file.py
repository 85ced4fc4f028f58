"""Images travel as a file from one engine to another, whole and unchanged or not at all."""

import contextlib
import hashlib
import os
import secrets
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from containers import client
from docker.errors import APIError, ImageNotFound
from tiny_images import archive, both, described, tags

from fumehood import policy
from fumehood.errors import EngineError, UsageError
from fumehood.sandbox import engine, image, image_file
from fumehood.sandbox.host import open_host

__all__ = ["client"]
pytestmark = pytest.mark.integration


@pytest.fixture
def base(client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A base of this test's own: whatever images are on it are removed at the end, and no other run finds them."""
    name = f"fumehood-test-base-{secrets.token_hex(8)}"
    monkeypatch.setenv("BASE_IMAGE", name)
    yield name
    for tag in tags(name):
        gone(client, tag)


def gone(client: docker.DockerClient, tag: str) -> None:
    try:
        client.images.remove(tag, force=True)
    except ImageNotFound:
        return


def there(client: docker.DockerClient, base: str) -> list[str]:
    # One request: the client's own list asks for every image again, and another test's may be gone by then.
    return [tag for entry in client.api.images() for tag in entry["RepoTags"] or [] if tag in tags(base)]


def written(path: Path, content: bytes) -> Path:
    """An archive with its checksum beside it."""
    path.write_bytes(content)
    path.with_name(path.name + image_file.SUM).write_text(f"{hashlib.sha256(content).hexdigest()}  {path.name}\n")
    return path


def test_what_was_saved_is_loaded_again_as_it_was(client: docker.DockerClient, base: str, tmp_path: Path) -> None:
    client.images.load(archive(both(base), base))
    images, said = image.find(client), list[str]()
    saved = image_file.save(client, images, tmp_path / "images.tar", said.append)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images.tar", "images.tar.sha256"]
    assert saved.size == (tmp_path / "images.tar").stat().st_size
    subprocess.run(["sha256sum", "--check", "images.tar.sha256"], cwd=tmp_path, check=True, capture_output=True)
    for tag in tags(base):
        client.images.remove(tag)
    with pytest.raises(EngineError, match="another version"):
        image.find(client)
    loaded, new = image_file.bring(client, tmp_path / "images.tar", "cpu", said.append)
    assert loaded == images == image.find(client)
    assert set(new) == set(tags(base))
    assert any(saved.sha256 in line for line in said)


def test_images_that_are_there_already_are_left_alone(client: docker.DockerClient, base: str, tmp_path: Path) -> None:
    path = written(tmp_path / "x", archive(both(base), base))
    first, new = image_file.bring(client, path, "cpu", print)
    second, again = image_file.bring(client, path, "cpu", print)
    assert (first, len(new), again) == (second, 2, ())


def test_loaded_images_that_fail_verification_are_removed_again(
    client: docker.DockerClient, base: str, tmp_path: Path
) -> None:
    with pytest.raises(EngineError) as refused:
        image_file.load(client, written(tmp_path / "x", archive(both(base), base)), "cpu", print)
    assert refused.value.exit_code == 6
    assert there(client, base) == []


def test_an_image_of_this_name_that_is_another_one_is_not_replaced(
    client: docker.DockerClient, base: str, tmp_path: Path
) -> None:
    client.images.load(archive(both(base, ("PATH=/usr/bin",)), base))
    before = image.find(client)
    with pytest.raises(EngineError, match=r"has another .*, of other Env"):
        image_file.bring(client, written(tmp_path / "x", archive(both(base), base)), "cpu", print)
    assert image.find(client) == before


def test_an_engine_that_refuses_a_layer_leaves_nothing(client: docker.DockerClient, base: str, tmp_path: Path) -> None:
    lying = both(base)
    lying[tags(base)[0]]["rootfs"]["diff_ids"] = [f"sha256:{'0' * 64}"]
    with pytest.raises(EngineError, match="refused the images"):
        image_file.bring(client, written(tmp_path / "x", archive(lying, base)), "cpu", print)
    assert there(client, base) == []


def test_an_archive_with_a_foreign_image_never_reaches_the_engine(
    client: docker.DockerClient, base: str, tmp_path: Path
) -> None:
    foreign = f"fumehood-test-foreign:{secrets.token_hex(4)}"
    content = archive({**both(base), foreign: described("other", base)}, base)
    with pytest.raises(UsageError, match="not ours"):
        image_file.bring(client, written(tmp_path / "x", content), "cpu", print)
    assert there(client, base) == []
    with pytest.raises(ImageNotFound):
        client.images.get(foreign)


@pytest.mark.parametrize(
    ("sums", "why"),
    [(None, "is not there"), ("", "one checksum"), ("0" * 64 + "  x\n", "is damaged"), ("x" * 9000, "one checksum")],
)
def test_a_file_without_its_own_checksum_is_not_loaded(
    client: docker.DockerClient, base: str, tmp_path: Path, sums: str | None, why: str
) -> None:
    path = written(tmp_path / "x", archive(both(base), base))
    beside = tmp_path / "x.sha256"
    beside.unlink() if sums is None else beside.write_text(sums)
    with pytest.raises(UsageError, match=why):
        image_file.bring(client, path, "cpu", print)
    assert there(client, base) == []


@pytest.mark.parametrize("there_before", ["images.tar", "images.tar.sha256"])
def test_nothing_is_overwritten(client: docker.DockerClient, base: str, tmp_path: Path, there_before: str) -> None:
    client.images.load(archive(both(base), base))
    (tmp_path / there_before).write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        image_file.save(client, image.find(client), tmp_path / "images.tar", print)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(there_before, "mine")]


def test_where_the_engine_fails_no_part_of_a_file_is_left(
    client: docker.DockerClient, base: str, tmp_path: Path
) -> None:
    client.images.load(archive(both(base), base))
    images = image.find(client)
    gone(client, images.prepare.tag)
    with pytest.raises((EngineError, APIError)):
        image_file.save(client, images, tmp_path / "images.tar", print)
    assert list(tmp_path.iterdir()) == []


class Stalling(socketserver.BaseRequestHandler):
    """Between a client and the real engine: passes everything on, but never the request for an archive."""

    server: "Relay"

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as real:
            real.connect(self.server.real)
            threading.Thread(target=self.pass_back, args=(real,), daemon=True).start()
            while data := self.request.recv(65536):
                if b"/images/get" in data:
                    self.server.reached.set()
                    self.server.let_go.wait()
                    return
                real.sendall(data)

    def pass_back(self, real: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := real.recv(65536):
                self.request.sendall(data)


class Relay(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.real = engine.reach().endpoint.url.removeprefix("unix://")
        self.reached, self.let_go = threading.Event(), threading.Event()
        super().__init__(str(path), Stalling)


def test_an_interrupted_save_leaves_no_part_of_a_file(client: docker.DockerClient, base: str, tmp_path: Path) -> None:
    client.images.load(archive(both(base), base))
    (tmp_path / "out").mkdir()
    environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    environment |= {"DOCKER_HOST": f"unix://{tmp_path}/relay.sock"}
    program = "import sys; from fumehood.cli import main; main(['image', 'save', sys.argv[1]])"
    command = [sys.executable, "-c", program, str(tmp_path / "out" / "images.tar")]
    with Relay(tmp_path / "relay.sock") as relay:
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}) as save:
            assert relay.reached.wait(60)
            assert [path.name for path in (tmp_path / "out").iterdir()] == ["images.tar.part"]
            save.send_signal(signal.SIGINT)
            assert save.wait(timeout=60) == 130
        relay.let_go.set()
        relay.shutdown()
    assert list((tmp_path / "out").iterdir()) == []


# ---- an image that would act before our first program ----------------------------------------------------------------


@pytest.mark.parametrize("variable", ["LD_PRELOAD=/x.so", "NVIDIA_VISIBLE_DEVICES=all", "PYTHONSTARTUP=/x.py"])
def test_no_room_is_opened_from_an_image_with_variables_that_act_early(
    client: docker.DockerClient, base: str, variable: str
) -> None:
    client.images.load(archive(both(base, (variable,)), base))
    with pytest.raises(EngineError, match=f"carries variables .*: {variable.partition('=')[0]}") as refused:
        open_host(policy.load("standard"), "run").__enter__()
    assert refused.value.exit_code == 6


def test_a_harmless_variable_is_let_pass(client: docker.DockerClient, base: str) -> None:
    """The control."""
    client.images.load(archive(both(base, ("PATH=/usr/bin", "LANG=C")), base))
    assert image.find(client).sandbox.tag in tags(base)


def test_images_that_came_by_file_are_not_built_again(
    client: docker.DockerClient, base: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client.images.load(archive(both(base), base))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("BASE_IMAGE")
    said: list[str] = []
    assert image.ensure(client, progress=said.append) == image.find(client)
    assert [line for line in said if "registry" in line or "debootstrap" in line] == []
