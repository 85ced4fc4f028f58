"""The sandbox image on a real engine: built once, found again, and what it holds when looked at from inside."""

import io
import json
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import docker
import pytest

from fumehood.errors import EngineError, UsageError
from fumehood.sandbox import base, engine, image, wheels
from fumehood.sandbox.image import Images

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

STAND_IN = "supervise/__init__.py"
"""A package goes before a module of the same name, whose bytecode in the image is never compared with a source."""
HOSTILE_ENVIRONMENT = {
    "PYTHONPATH": "/exchange", "PYTHONHASHSEED": "7", "PYTHONINSPECT": "1", "PYTHONVERBOSE": "1", "PYTHONHOME": "/tmp",
}  # fmt: skip
PROBE = """
import json, os, sys
def main(arguments):
    import torchvision.models
    import torch
    shape = torchvision.models.resnet18(num_classes=3).eval()(torch.zeros(1, 3, 32, 32)).shape
    print(json.dumps({
        "initial": open("/proc/self/environ").read(), "pid": os.getpid(), "arguments": arguments, "shape": list(shape),
        "omp": os.environ["OMP_NUM_THREADS"], "path": sys.path, "early": EARLY, "no_site": sys.flags.no_site,
        "hash": sys.flags.hash_randomization, "flags": [
            sys.flags.isolated, sys.flags.safe_path, sys.flags.no_user_site, sys.flags.dont_write_bytecode,
            sys.flags.inspect, sys.flags.verbose,
        ],
    }))
    sys.exit(7)
EARLY = [name for name in ("torch", "torchvision", "site") if name in sys.modules]
"""


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    found = engine.connect()
    yield found
    found.close()


@pytest.fixture(scope="module")
def images(client: docker.DockerClient) -> Images:
    return image.ensure(client, progress=print)


@pytest.fixture
def container(client: docker.DockerClient, images: Images) -> Iterator[Any]:
    """A room's container, not started, with the environment that an engine or a user could slip in."""
    made = client.containers.create(
        images.sandbox.image_id,
        command=["one", "two"],
        environment={**HOSTILE_ENVIRONMENT, "OMP_NUM_THREADS": "64", "SECRET": "key"},
        network_mode="none",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
    )
    yield made
    made.remove(force=True)


def put(container: Any, name: str, content: str) -> None:
    """Write one file into a container that is not running."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content.encode())
        member.mode = 0o644
        tar.addfile(member, io.BytesIO(content.encode()))
    container.put_archive("/opt/fumehood/app/fumehood_runner", out.getvalue())


def run(container: Any) -> tuple[int, str]:
    container.start()
    status = container.wait(timeout=120)["StatusCode"]
    return status, container.logs(stdout=True, stderr=False).decode()


def test_the_image_passes_every_check(client: docker.DockerClient, images: Images) -> None:
    checks = image.verify(client)
    assert [f"{c.name}: {c.seen}" for c in checks if not c.passed] == []
    assert len({c.name for c in checks}) == 23


def test_what_was_built_is_found(client: docker.DockerClient, images: Images) -> None:
    assert image.find(client) == images


def test_a_second_build_builds_nothing(client: docker.DockerClient, images: Images) -> None:
    said: list[str] = []
    assert image.ensure(client, progress=said.append) == images
    assert not [line for line in said if "building" in line or "fetching" in line]


def test_two_builds_at_once_agree(client: docker.DockerClient, images: Images) -> None:
    found: list[Images] = []

    def build() -> None:
        own = engine.connect()
        found.append(image.ensure(own, progress=print))
        own.close()

    threads = [threading.Thread(target=build) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [images, images]


def test_an_absent_variant_tells_how_to_build_it(client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASE_IMAGE", "nothing-was-built-on-this:1")
    with pytest.raises(EngineError) as caught:
        image.find(client, "cuda")
    assert "fumehood image build --variant cuda" in caught.value.hint


def test_an_unknown_variant_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no image variant 'tpu'"):
        image.as_variant("tpu")


def test_the_entry_point_gives_the_supervisor_a_clean_process(container: Any) -> None:
    put(container, STAND_IN, PROBE)
    status, printed = run(container)
    seen = json.loads(printed)
    assert status == 7
    assert seen["initial"] == "PYTHONHASHSEED=0\0"
    assert (seen["hash"], seen["flags"]) == (0, [0, 1, 1, 1, 0, 0])
    assert seen["pid"] == 1
    assert seen["arguments"] == ["one", "two"]
    assert seen["omp"] == "1"
    assert seen["no_site"] == 1
    assert not any(entry.startswith("/exchange") for entry in seen["path"])


def test_torchvision_works_though_nothing_imported_it_at_the_start(container: Any) -> None:
    put(container, STAND_IN, PROBE)
    _, printed = run(container)
    seen = json.loads(printed)
    assert seen["early"] == []
    assert seen["shape"] == [1, 3]


def test_a_file_of_ours_that_was_changed_in_the_image_is_noticed(
    client: docker.DockerClient, images: Images, container: Any
) -> None:
    put(container, "extra.py", "EXTRA = True\n")
    forged = container.commit(repository="fumehood-test-forged", tag="1")
    try:
        fact = images.sandbox.model_copy(update={"image_id": forged.id, "tag": "fumehood-test-forged:1"})
        expected = image.own_digests()
        failed = [c for c in image.image_checks.checks(client, fact, "sandbox", expected) if not c.passed]
    finally:
        client.images.remove("fumehood-test-forged:1", force=True)
    assert "sandbox: our files are the present ones" in [c.name for c in failed]
    assert any("fumehood_runner/extra.py" in c.seen for c in failed)


def test_a_base_that_cannot_be_had_is_an_engine_error(client: docker.DockerClient) -> None:
    with pytest.raises(EngineError, match=r"127\.0\.0\.1:9/absent:1 is not on the engine and cannot be pulled"):
        base.ensure(client, print, given="127.0.0.1:9/absent:1")


def test_a_given_base_is_used_as_it_is(client: docker.DockerClient, images: Images) -> None:
    given = base.ensure(client, print, given=images.sandbox.base)
    assert (given.how, given.reference) == ("given", images.sandbox.base)


def test_a_torch_that_no_index_has_names_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUMEHOOD_CACHE", str(tmp_path))
    lock = tmp_path / "requirements-cpu.txt"
    lock.write_text(f"torch==0.0.1+cpu --hash=sha256:{'0' * 64}\n")
    with pytest.raises(EngineError) as caught, wheels.unpacked({"site": lock}, print):
        pass
    assert "TORCH_INDEX_URL" in caught.value.hint
    assert not (tmp_path / "site").exists()


def test_a_wheel_with_another_digest_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUMEHOOD_CACHE", str(tmp_path))
    lock = tmp_path / "requirements-cpu.txt"
    lock.write_text(f"typing-extensions==4.16.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(EngineError) as caught, wheels.unpacked({"site": lock}, print):
        pass
    assert "never used" in caught.value.hint


def test_sources_and_variant_decide_the_tag() -> None:
    named = partial(base.Base, reference="some:1", how="given")
    one, other = named(digest="sha256:1"), named(digest="sha256:2")
    tags = {image.tag("sandbox", "cpu", one), image.tag("sandbox", "cpu", other), image.tag("sandbox", "cuda", one)}
    assert len(tags) == 3
