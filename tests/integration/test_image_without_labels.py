"""The image in which candidates run holds no label of a data set that they are judged on, under whatever name."""

import gzip
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
import sklearn.datasets

from fumehood.sandbox import engine, image
from fumehood.sandbox.host import Host

pytestmark = [pytest.mark.integration, pytest.mark.slow]

NEEDLES = {
    "iris": b"5.1,3.5,1.4,0.2",
    "wine": b"14.23,1.71,2.43,15.6",
    "breast_cancer": b"17.99,10.38,122.8,1001",
    "digits": b"0,0,5,13,9,1,0,0,0,0,13,15,10,15,5,0,0,3,15,2",
    "diabetes": b"59 2 32.1 101.0 157",
}
"""How the first row of each looks in the files that scikit-learn ships."""
NAMES = ("sklearn", "scikit_learn", "iris", "wine", "breast_cancer", "diabetes", "digits", "boston", "linnerud")
LARGEST = 8 * 2**20


def found_in(content: bytes) -> set[str]:
    """Data sets whose first row is in a file, packed or not."""
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    plain = content.replace(b"\t", b" ")
    return {name for name, needle in NEEDLES.items() if needle in plain}


def files(api: docker.APIClient, image_id: str) -> Iterator[tuple[str, int, bytes]]:
    """Every file of an image: name, size, and the content where it is not larger than any data set."""
    container = api.create_container_from_config({"Image": image_id, "Labels": {"fumehood.image": "look"}})["Id"]
    try:
        stream = api.export(container)
        with tarfile.open(fileobj=io.BufferedReader(_Chunks(stream), 2**20), mode="r|") as archive:
            for member in archive:
                if member.isfile():
                    content = archive.extractfile(member) if member.size <= LARGEST else None
                    yield member.name, member.size, content.read() if content else b""
    finally:
        api.remove_container(container, force=True)


class _Chunks(io.RawIOBase):
    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = iter(chunks), b""

    def readable(self) -> bool:
        return True

    def readinto(self, target: bytearray) -> int:  # type: ignore[override]  # the buffer is always a memoryview
        self._rest = self._rest or next(self._chunks, b"")
        size = min(len(target), len(self._rest))
        target[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def test_the_needles_are_in_the_files_that_scikit_learn_ships() -> None:
    folder = Path(sklearn.datasets.__file__).parent / "data"
    found = {name for path in folder.iterdir() if path.is_file() for name in found_in(path.read_bytes())}
    assert found == set(NEEDLES)


def test_the_sandbox_image_holds_none_of_them(host: Host) -> None:
    seen, bad = 0, []
    for name, _, content in files(host.api, host.images.sandbox.image_id):
        seen += 1
        parts = name.lower().split("/")
        if any(part.startswith(NAMES) and not part.endswith((".py", ".pyc")) for part in parts) or found_in(content):
            bad.append(name)
    assert bad == []
    assert seen > 5000


def test_the_image_passes_its_own_verification() -> None:
    failed = [check for check in image.verify(engine.connect()) if not check.passed]
    assert failed == []
