"""No room that runs a candidate holds a label it must not hold: searched for in all its files and all its memory.

The targets of the data set are unmistakable numbers. While the candidate keeps its rooms busy, everything that the
rooms have is read from the host, as root: through the engine's archives, through the room's own mounts, and through the
memory of every process. The training rows, which are there, show that the search finds what is there.
"""

import contextlib
import os
import random
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fumehood.executors import Job
from fumehood.sandbox.exchange import Outgoing, Parcel
from fumehood.sandbox.host import Host
from fumehood.sandbox.room import Room
from fumehood_shared import paths
from fumehood_shared.messages import CsvSource, SeedSpec, Task
from integration import candidates
from integration.lab import Lab, RecordingHost, prepared, processes_of, wait_until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="reading the memory of other users' processes takes root"),
]

ROWS = 100
FRACTION = 21 / 64
"""All targets are 65536 < n < 131072 plus this: exact in float32, and its text is found by ``.328125``."""
SPLITS = ("train", "validation", "test")
CHANCE = 2
"""So many of the 4-byte patterns may be in memory by coincidence; a leak would show nearly all."""


@pytest.fixture(scope="module")
def canaries(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("canaries")
    draw = random.Random(20)
    targets = [n + FRACTION for n in draw.sample(range(65537, 131072), ROWS)]
    lines = [",".join([*(f"{draw.gauss(0, 1):.9f}" for _ in range(4)), f"{t}"]) for t in targets]
    table = folder / "canaries.csv"
    table.write_text("\n".join(["a,b,c,d,y", *lines]) + "\n")
    source = CsvSource(target="y", task=Task.REGRESSION)
    (folder / "arrays").mkdir()
    with prepared(host, source, {"data.csv": table}, folder / "arrays") as lab:
        yield lab


@dataclass(frozen=True)
class Sought:
    """What is looked for, per split: targets as numbers, input rows as bytes."""

    targets: dict[str, np.ndarray[Any, np.dtype[np.float64]]]
    inputs: dict[str, list[bytes]]

    @classmethod
    def of(cls, lab: Lab) -> "Sought":
        def read(name: str) -> np.ndarray[Any, np.dtype[np.float32]]:
            return np.fromfile(lab.arrays.folder / f"{name}.bin", dtype="<f4")

        return cls(
            targets={split: read(f"{split}_targets").astype(np.float64) for split in SPLITS},
            inputs={split: [row.tobytes() for row in read(f"{split}_inputs").reshape(-1, 4)[:10]] for split in SPLITS},
        )


class Found:
    """Which of the sought things turned up in the buffers that it was shown."""

    def __init__(self, sought: Sought) -> None:
        self._sought = sought
        self._singles: set[float] = set()
        self._certain: set[float] = set()
        self._rows: set[bytes] = set()
        self.bytes = 0

    def look(self, buffer: bytes) -> None:
        self.bytes += len(buffer)
        self._rows |= {row for rows in self._sought.inputs.values() for row in rows if row in buffer}
        self._certain |= set(_texts(buffer))
        for offset in range(4):
            self._singles |= _numbers(buffer[offset:], "<u4", "<f4", 23, 127 + 16)
        for offset in range(8):
            self._certain |= _numbers(buffer[offset:], "<u8", "<f8", 52, 1023 + 16)

    def certain(self, split: str) -> int:
        """Targets found as text or in eight bytes, which is no coincidence."""
        return len(self._certain & set(self._sought.targets[split].tolist()))

    def singles(self, split: str) -> int:
        """Targets found in four bytes."""
        return len(self._singles & set(self._sought.targets[split].tolist()))

    def rows(self, split: str) -> int:
        return len(self._rows & set(self._sought.inputs[split]))


def _numbers(buffer: bytes, integer: str, real: str, shift: int, exponent: int) -> set[float]:
    """Numbers of the targets' exponent and fraction in ``buffer``."""
    words = np.frombuffer(buffer[: len(buffer) // np.dtype(integer).itemsize * np.dtype(integer).itemsize], integer)
    near = words[(words >> shift) == exponent].view(real).astype(np.float64)
    return set(near[near % 1 == FRACTION].tolist())


def _texts(buffer: bytes) -> Iterator[float]:
    at = buffer.find(b".328125")
    while at >= 0:
        with contextlib.suppress(ValueError):
            yield int(buffer[max(0, at - 6) : at].lstrip(b", \n\t[(")) + FRACTION
        at = buffer.find(b".328125", at + 1)


def memory_of(pid: int) -> Iterator[bytes]:
    """Everything that a process can have changed: all its readable regions but those that map files unchanged."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            where, rights, *_ = line.split(maxsplit=5)
            begin, end = (int(part, 16) for part in where.split("-"))
            if rights.startswith("r") and ("w" in rights or "/" not in line) and "[v" not in line:
                with contextlib.suppress(OSError, ValueError):
                    memory.seek(begin)
                    for _ in range(0, end - begin, 2**26):
                        yield memory.read(min(2**26, end - memory.tell()))


def files_of(pid: int) -> Iterator[bytes]:
    """Every file below the room's own mounts, seen from the host."""
    root = Path(f"/proc/{pid}/root")
    for mount in ("tmp", "exchange", "data", "dev/shm"):
        for path in sorted((root / mount).rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path.read_bytes()


def archives_of(lab: Lab, room: Room) -> Iterator[bytes]:
    for path in ("/exchange", *(["/data"] if room.cage.data else []), "/tmp"):
        chunks, _ = lab.host.api.get_archive(room.cage.name, path)
        yield b"".join(chunks)


def is_holding(uid: int) -> bool:
    return any(Path(f"/proc/{pid}/root/tmp/holding").exists() for pid in processes_of(uid))


def search(lab: Lab, room: Room, sought: Sought) -> dict[str, Found]:
    found = {"files": Found(sought), "memory": Found(sought), "archives": Found(sought)}
    pids = processes_of(room.cage.uid)
    assert len(pids) == 2, "the supervisor and one worker"
    for buffer in files_of(pids[0]):
        found["files"].look(buffer)
    for buffer in (part for pid in pids for part in memory_of(pid)):
        found["memory"].look(buffer)
    for buffer in archives_of(lab, room):
        found["archives"].look(buffer)
    return found


def _holding(host: RecordingHost, role: str) -> list[Room]:
    return [room for room in host.made if room.cage.role == role and is_holding(room.cage.uid)]


@pytest.fixture(scope="module")
def searched(canaries: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Found]]:
    """What was found in the train room and in the predict room of one evaluation, while each did its work."""
    host, sought, found = RecordingHost(**vars(canaries.host)), Sought.of(canaries), {}
    job = Job(number=1, source=candidates.HOLDS, seeds=(SeedSpec(seed=0, order=7),))
    done: list[Any] = []
    into = tmp_path_factory.mktemp("evaluation")

    def evaluate() -> None:
        with canaries.executor(host) as executor:
            done.append(executor.evaluate(job, into))

    worker = threading.Thread(target=evaluate, daemon=True)
    worker.start()
    for role in ("train", "predict"):
        assert wait_until(lambda wanted=role: _holding(host, wanted), 60.0), role
        (room,) = _holding(host, role)
        found[role] = search(canaries, room, sought)
        canaries.host.api.put_archive(room.cage.name, paths.EXCHANGE, Parcel([Outgoing("in/continue", b"")]))
    worker.join(60.0)
    assert done
    assert done[0].failure is None, done[0].failure
    return found


def test_the_search_finds_the_training_rows_in_the_train_room(searched: dict[str, dict[str, Found]]) -> None:
    for place in ("files", "memory", "archives"):
        assert searched["train"][place].singles("train") == 60, place
        assert searched["train"][place].rows("train") == 10, place
    assert searched["train"]["memory"].bytes > 50e6


def test_the_search_finds_the_validation_inputs_in_the_predict_room(searched: dict[str, dict[str, Found]]) -> None:
    for place in ("files", "memory", "archives"):
        assert searched["predict"][place].rows("validation") == 10, place


@pytest.mark.parametrize("place", ["files", "memory", "archives"])
def test_the_train_room_holds_no_row_of_validation_and_test(searched: dict[str, dict[str, Found]], place: str) -> None:
    found = searched["train"][place]
    for split in ("validation", "test"):
        assert found.certain(split) == 0
        assert found.singles(split) <= (CHANCE if place == "memory" else 0)
        assert found.rows(split) == 0


@pytest.mark.parametrize("place", ["files", "memory", "archives"])
def test_the_predict_room_holds_no_target_at_all_and_no_other_inputs(
    searched: dict[str, dict[str, Found]], place: str
) -> None:
    found = searched["predict"][place]
    for split in SPLITS:
        assert found.certain(split) == 0
        assert found.singles(split) <= (CHANCE if place == "memory" else 0)
    assert found.rows("train") == found.rows("test") == 0


def test_nothing_is_written_into_a_rooms_root(canaries: Lab) -> None:
    with canaries.host.room("train", canaries.volume) as room:
        room.ready()
        changed = canaries.host.api.diff(room.cage.name) or []
    assert {change["Path"] for change in changed} <= {"/data", "/exchange", "/handover", "/tmp"}


def test_the_image_has_no_canary_and_the_archive_reader_reads_it(canaries: Lab) -> None:
    """A look at the exported root of a room, which is the image: our own entry point is in it, no target is."""
    with canaries.host.room("train", canaries.volume) as room:
        stream = canaries.host.api.export(room.cage.name)
        found, names = Found(Sought.of(canaries)), set()
        with tarfile.open(fileobj=_Joined(stream), mode="r|") as archive:
            for member in archive:
                names.add(member.name)
                if member.isfile() and member.size < 2**20 and not member.name.startswith("opt/fumehood/site"):
                    content = archive.extractfile(member)
                    assert content is not None
                    found.look(content.read())
    assert "opt/fumehood/enter.py" in names
    assert sum(found.certain(split) + found.singles(split) for split in SPLITS) == 0


class _Joined:
    """Chunks as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = iter(chunks), b""

    def read(self, size: int) -> bytes:
        parts, have = [self._rest], len(self._rest)
        while have < size and (chunk := next(self._chunks, None)) is not None:
            parts.append(chunk)
            have += len(chunk)
        whole = b"".join(parts)
        self._rest = whole[size:]
        return whole[:size]
