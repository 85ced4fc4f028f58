"""What a room sends of the files in it: read by the reader of the controller, whatever lies in their place."""

import hashlib
import os
import socket
from pathlib import Path

import pytest

from fumehood.sandbox import exchange
from fumehood.sandbox.exchange import Expected, Received, Rejected
from fumehood_runner import parcels
from fumehood_shared import caps, paths
from fumehood_shared.messages import HandedOver

pytestmark = [pytest.mark.runner, pytest.mark.unit]

WEIGHTS = "seed-0/weights.safetensors"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out" / "seed-0").mkdir(parents=True)
    return tmp_path / "out"


def taken(folder: Path, **expected: Expected) -> dict[str, Received]:
    return exchange.unpack(parcels.archive(folder), folder.name, expected, 10 * caps.MIB)


def looked_at(folder: Path) -> dict[str, Received]:
    wanted = {WEIGHTS: Expected(caps.WEIGHTS_HEAD_BYTES), paths.HANDED_OVER: Expected(caps.RESULT_BYTES)}
    return exchange.unpack(parcels.heads(folder), folder.name, wanted, 10 * caps.MIB)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 3 * caps.PIECE_BYTES + 5])
def test_files_arrive_as_they_are(out: Path, size: int) -> None:
    content = os.urandom(size)
    (out / WEIGHTS).write_bytes(content)
    (out / "result.json").write_bytes(b"{}")
    found = taken(out, **{WEIGHTS: Expected(size, exact=True), "result.json": Expected(10)})
    assert {name: file.content for name, file in found.items()} == {WEIGHTS: content, "result.json": b"{}"}


def test_one_file_is_sent_under_its_name_and_nothing_where_there_is_none(out: Path) -> None:
    (out / "result.json").write_bytes(b"{}")
    found = exchange.unpack(parcels.archive(out / "result.json"), "", {"result.json": Expected(2)}, caps.MIB)
    assert found["result.json"].content == b"{}"
    assert exchange.unpack(parcels.archive(out / "absent"), "", {"absent": Expected(2)}, caps.MIB) == {}


def _link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def _second_name(path: Path) -> None:
    (path.parents[1] / "another").write_bytes(b"x")
    os.link(path.parents[1] / "another", path)


def _bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize("make", [_link, _second_name, os.mkfifo, _bound, Path.mkdir])
def test_what_is_no_file_of_its_own_is_sent_as_what_it_is_and_refused(out: Path, make: object) -> None:
    make(out / WEIGHTS)  # type: ignore[operator]
    with pytest.raises(Rejected, match="not a regular file"):
        taken(out, **{WEIGHTS: Expected(caps.MIB), "another": Expected(1)})


@pytest.mark.parametrize("name", [b"\xff\xfe", b"line\nbreak", b"x" * 250, "\u202e".encode()])
def test_a_strange_name_is_refused_and_ends_nothing(out: Path, name: bytes) -> None:
    (Path(os.fsdecode(bytes(out) + b"/" + name))).write_bytes(b"")
    for read in (lambda: taken(out), lambda: looked_at(out)):
        with pytest.raises(Rejected, match="name"):
            read()


def test_a_path_that_is_too_long_to_be_opened_ends_nothing(out: Path) -> None:
    here = os.open(out, os.O_RDONLY)
    for _ in range(17):
        os.mkdir("x" * 250, dir_fd=here)
        deeper = os.open("x" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    with pytest.raises(Rejected, match="unexpected name"):
        taken(out)


@pytest.mark.skipif(os.geteuid() == 0, reason="root opens everything")
def test_a_file_that_its_owner_closed_is_sent_as_zeros(out: Path) -> None:
    (out / WEIGHTS).write_bytes(b"secret")
    (out / WEIGHTS).chmod(0)
    assert taken(out, **{WEIGHTS: Expected(6)})[WEIGHTS].content == bytes(6)


def test_of_a_weights_file_its_head_is_sent_and_what_the_whole_of_it_is(out: Path) -> None:
    header = b'{"w":{"dtype":"F32","shape":[500000],"data_offsets":[0,2000000]}}'
    content = len(header).to_bytes(8, "little") + header + os.urandom(2_000_000)
    (out / WEIGHTS).write_bytes(content)
    found = looked_at(out)
    assert found[WEIGHTS].content == content[: 8 + len(header)]
    (told,) = HandedOver.model_validate_json(found[paths.HANDED_OVER].content).files
    assert (told.name, told.bytes) == (WEIGHTS, len(content))
    assert told.digest == hashlib.sha256(content).hexdigest()
    assert exchange.count_parameters(found[WEIGHTS].content, told.bytes) == 500_000


@pytest.mark.parametrize("content", [b"", b"\xff" * 7, b"\xff" * 8, b"\xff" * (2 * caps.MIB)])
def test_no_head_is_longer_than_agreed(out: Path, content: bytes) -> None:
    (out / WEIGHTS).write_bytes(content)
    head = looked_at(out)[WEIGHTS].content
    assert content.startswith(head)
    assert len(head) <= caps.WEIGHTS_HEAD_BYTES


def test_more_files_than_seeds_are_refused_by_the_first_name_too_many(out: Path) -> None:
    for number in range(caps.SEEDS + 10):
        (out / f"{number}").write_bytes(b"x")
    with pytest.raises(Rejected, match="unexpected name"):
        looked_at(out)
