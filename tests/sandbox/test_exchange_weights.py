"""The header of a weights file is believed only where the file bears it out."""

import json
import resource
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fumehood.sandbox import exchange
from fumehood.sandbox.exchange import Rejected
from fumehood_shared import caps

pytestmark = pytest.mark.unit


def count(path):
    """Parameters, as they are counted from what a room gives of a file."""
    with path.open("rb") as file:
        return exchange.count_parameters(file.read(caps.WEIGHTS_HEAD_BYTES), path.stat().st_size)


def weights(path, header, data=b"", length=None):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + data)
    return path


def entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_parameters_of_a_real_file_are_counted(tmp_path):
    from safetensors.numpy import save_file

    save_file({"w": np.zeros((3, 4), "float32"), "b": np.zeros(4, "float32")}, tmp_path / "w")
    assert count(tmp_path / "w") == 16


def test_wide_elements_count_as_two_numbers_and_narrow_ones_as_one(tmp_path):
    from safetensors.numpy import save_file

    save_file({"w": np.zeros(10, "float64")}, tmp_path / "wide")
    save_file({"w": np.zeros(10, "int8")}, tmp_path / "narrow")
    assert count(tmp_path / "wide") == 20
    assert count(tmp_path / "narrow") == 10


def test_scalars_and_empty_tensors_are_tensors(tmp_path):
    path = weights(tmp_path / "w", {"e": entry([0, 5], 0, 0), "s": entry([], 0, 4), "z": entry([0], 4, 4)}, bytes(4))
    assert count(path) == 1


@pytest.mark.parametrize(
    ("header", "data"),
    {
        "shape larger than the bytes": ({"a": entry([9], 0, 4)}, 4),
        "shape smaller than the bytes": ({"a": entry([1], 0, 8)}, 8),
        "bytes that no tensor owns": ({"a": entry([1], 0, 4)}, 4000),
        "bytes that are not there": ({"a": entry([2], 0, 8)}, 4),
        "gap": ({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, 12),
        "gap at the start": ({"a": entry([1], 4, 8)}, 8),
        "overlap": ({"a": entry([2], 0, 8), "b": entry([1], 4, 8)}, 8),
        "the same bytes twice": ({"a": entry([1], 0, 4), "b": entry([1], 0, 4)}, 4),
        "backwards": ({"a": entry([1], 4, 0)}, 4),
        "metadata": ({"__metadata__": {"x": "y"}, "a": entry([1], 0, 4)}, 4),
        "shape of 2**63": ({"a": entry([2**63], 0, 4)}, 4),
        "shape whose product overflows": ({"a": entry([2**32, 2**32, 0], 0, 0)}, 4),
        "negative shape": ({"a": entry([-1, -1], 0, 4)}, 4),
        "fractional shape": ({"a": entry([1.0], 0, 4)}, 4),
        "true as a number": ({"a": entry([True], 0, 4)}, 4),
        "a number as shape": ({"a": entry(1, 0, 4)}, 4),
        "a string as shape": ({"a": entry("1", 0, 4)}, 4),
        "seventeen dimensions": ({"a": entry([1] * 17, 0, 4)}, 4),
        "unknown type": ({"a": entry([1], 0, 4, "F31")}, 4),
        "a list as type": ({"a": entry([1], 0, 4, ["F32"])}, 4),
        "three offsets": ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 2, 4]}}, 4),
        "no offsets": ({"a": {"dtype": "F32", "shape": [1]}}, 4),
        "a field more": ({"a": {**entry([1], 0, 4), "stride": [1]}}, 4),
        "no table": ({"a": 1}, 0),
        "a list": ([], 0),
        "a name twice": (b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{}}', 0),
        "not JSON": (b"xxxx", 0),
        "not UTF-8": (b'{"\xff":1}', 0),
        "very deep": (b"[" * 5000 + b"]" * 5000, 0),
    }.values(),
)
def test_a_lying_header_is_rejected(tmp_path, header, data):
    with pytest.raises(Rejected):
        count(weights(tmp_path / "w", header, bytes(data)))


@pytest.mark.parametrize("length", [0, 1, 10**6, 2**20 + 1, 2**63, 2**64 - 1])
def test_a_header_of_an_impossible_length_is_rejected(tmp_path, length):
    with pytest.raises(Rejected, match="impossible length"):
        count(weights(tmp_path / "w", {"a": entry([1], 0, 4)}, bytes(4), length))


@given(st.binary(max_size=400))
def test_any_other_file_is_rejected(tmp_path_factory, garbage):
    path = tmp_path_factory.mktemp("w") / "w"
    path.write_bytes(struct.pack("<Q", max(len(garbage) - 3, 0)) + garbage)
    with pytest.raises(Rejected):
        count(path)


def test_a_terabyte_of_nothing_is_counted_without_reading_it(tmp_path):
    size = 2**40
    path = weights(tmp_path / "w", {"a": entry([size // 4], 0, size)})
    with path.open("r+b") as file:
        try:
            file.truncate(path.stat().st_size + size)
        except OSError:
            pytest.skip("the file system takes no sparse file of this size")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert count(path) == size // 4
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
