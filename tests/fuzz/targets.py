"""What is fuzzed: each target takes one input, as a room could send it, and reads it as the controller does.

A target returns True for an input that was taken and False for one that was Rejected. Any other exception is a finding;
so is an input that was taken and breaks a promise of its reader, which is asserted here.
"""

import io
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from fumehood.rooms import PrepareAnswer
from fumehood.sandbox import exchange
from fumehood.sandbox.exchange import Expected, Received, Rejected
from fumehood_shared import caps
from fumehood_shared.messages import Attestation, JobReply

ROWS, COLUMNS = 8, 3
ARCHIVE_BYTES = 8 * caps.MIB
FILE_BYTES = 2 * caps.MIB
_COMPARED_BYTES = 64 * caps.KIB


def archive(raw: bytes) -> bool:
    """The first byte says in what chunks the rest arrives."""
    chunk = (1, 511, 512, 1000, 65_536, caps.MIB, 7, 4096)[raw[0] % 8] if len(raw) < caps.MIB else 65_536
    stream = raw[1:]
    with tempfile.TemporaryDirectory() as folder:
        expected = expected_files(Path(folder))
        try:
            found = exchange.unpack(_chunks(stream, chunk), "out", expected, ARCHIVE_BYTES)
        except Rejected:
            assert not list(Path(folder).iterdir()), "a rejected archive leaves files"
            return False
        _check_files(found, expected)
        if len(stream) <= _COMPARED_BYTES:
            _check_against_tarfile(stream, found, expected)
    return True


def expected_files(folder: Path) -> dict[str, Expected]:
    return {
        "result.json": Expected(caps.RESULT_BYTES),
        "seed-0/weights.safetensors": Expected(FILE_BYTES, keep=folder / "weights"),
        "seed-0/predictions.bin": Expected(96, exact=True, keep=folder / "predictions"),
        "inputs.bin": Expected(600, exact=True, hash_only=True),
    }


def _chunks(stream: bytes, size: int) -> Iterator[bytes]:
    return (stream[i : i + size] for i in range(0, len(stream), size))


def _check_files(found: dict[str, Received], expected: dict[str, Expected]) -> None:
    for name, file in found.items():
        wanted = expected[name]
        assert file.size == wanted.size or (not wanted.exact and file.size < wanted.size), name
        if wanted.keep is not None:
            assert wanted.keep.stat().st_size == file.size, name
        elif not wanted.hash_only:
            assert len(file.content) == file.size, name
    kept = {wanted.keep for name, wanted in expected.items() if name in found}
    assert all(wanted.keep in kept or not wanted.keep.exists() for wanted in expected.values() if wanted.keep)


def _check_against_tarfile(stream: bytes, found: dict[str, Received], expected: dict[str, Expected]) -> None:
    """Python's reader sees the same files in what was taken: nobody can be shown another content than we were."""
    with tarfile.open(fileobj=io.BytesIO(stream), mode="r:") as other:
        files = {member.name.removeprefix("out/"): member for member in other if member.isreg()}
        assert set(files) == set(found)
        for name, file in found.items():
            source, keep = other.extractfile(files[name]), expected[name].keep
            content = keep.read_bytes() if keep else file.content
            assert source is not None
            assert files[name].size == file.size
            assert expected[name].hash_only or source.read() == content, name


def _message(model: type[BaseModel], cap: int) -> Callable[[bytes], bool]:
    def read(raw: bytes) -> bool:
        try:
            found = exchange.parse(raw, model, cap)
        except Rejected as error:
            if not str(error).isprintable() or len(str(error)) > 1000:
                raise AssertionError("the reason holds what the room wrote") from error
            return False
        if len(raw) <= _COMPARED_BYTES:  # what was taken can be written down, and read back to the same
            assert exchange.parse(found.model_dump_json().encode(), model, cap) == found
        return True

    return read


def weights(raw: bytes) -> bool:
    try:
        parameters = exchange.count_parameters(raw[: caps.WEIGHTS_HEAD_BYTES], len(raw))
    except Rejected:
        return False
    assert len(raw) // 4 - caps.MIB <= parameters <= len(raw)
    return True


def predictions(raw: bytes) -> bool:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(raw)
        try:
            array = exchange.read_predictions(Path(file.name), ROWS, COLUMNS)
        except Rejected:
            return False
    assert array.shape == (ROWS, COLUMNS)
    assert bool(np.isfinite(array).all())
    return True


TARGETS: dict[str, Callable[[bytes], bool]] = {
    "archive": archive,
    "job reply": _message(JobReply, caps.RESULT_BYTES),
    "prepare reply": _message(PrepareAnswer, caps.RESULT_BYTES),
    "attestation": _message(Attestation, caps.ATTESTATION_BYTES),
    "weights": weights,
    "predictions": predictions,
}
