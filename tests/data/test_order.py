"""The secret order: a permutation that only the key gives away, and that can be taken back."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fumehood.data.order import permutation, permute_file, unpermute
from fumehood.errors import InternalError
from fumehood_shared.messages import ArraySpec

pytestmark = pytest.mark.unit


@given(st.binary(max_size=40), st.text(max_size=20), st.integers(0, 300))
def test_an_order_holds_every_row_once_and_is_the_same_again(key, purpose, n):
    order = permutation(key, purpose, n)
    assert sorted(order) == list(range(n))
    assert order.dtype == np.int64
    assert np.array_equal(order, permutation(key, purpose, n))


def test_an_order_is_fixed_for_all_platforms_and_versions():
    assert permutation(b"key", "train", 8).tolist() == [4, 6, 5, 7, 3, 0, 2, 1]


@pytest.mark.parametrize(("key", "purpose"), [(b"other", "train"), (b"key", "test"), (b"ke", "ytrain")])
def test_another_key_or_purpose_gives_an_unrelated_order(key, purpose):
    first, second = permutation(b"key", "train", 2000), permutation(key, purpose, 2000)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1
    assert (first == second).sum() < 10


def test_orders_are_drawn_evenly():
    firsts = [permutation(i.to_bytes(4, "big"), "p", 5)[0] for i in range(2000)]
    assert np.bincount(firsts, minlength=5).min() > 330


@given(st.integers(0, 60), st.sampled_from(["float32", "int64"]))
def test_unpermuting_takes_permuting_back(n, dtype):
    rows = np.arange(n * 3, dtype=dtype).reshape(n, 3)
    order = permutation(b"k", "p", n)
    assert np.array_equal(unpermute(rows[order], order), rows)


def test_predictions_of_another_length_are_not_put_back():
    with pytest.raises(InternalError, match="3 rows"):
        unpermute(np.zeros(3), permutation(b"k", "p", 4))


@pytest.mark.parametrize("shape", [(0,), (1, 4), (1000, 1, 8, 8), (7, 0)])
@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_a_permuted_file_is_the_permuted_array(tmp_path, shape, dtype):
    rows = np.arange(int(np.prod(shape)), dtype=dtype).reshape(shape)
    rows.tofile(tmp_path / "a.bin")
    order = permutation(b"k", "p", shape[0])
    permute_file(tmp_path / "a.bin", tmp_path / "b.bin", ArraySpec(dtype=dtype, shape=shape), order)
    assert np.array_equal(np.fromfile(tmp_path / "b.bin", dtype).reshape(shape), rows[order])
    assert (tmp_path / "b.bin").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("order", [np.array([0, 1]), np.array([0, 1, 1]), np.array([0, 1, 3]), np.array([-1, 0, 1])])
def test_what_is_no_permutation_of_the_rows_is_not_applied(tmp_path, order):
    np.zeros(3, "float32").tofile(tmp_path / "a.bin")
    with pytest.raises(InternalError, match="no permutation"):
        permute_file(tmp_path / "a.bin", tmp_path / "b.bin", ArraySpec(dtype="float32", shape=(3,)), order)
    assert not (tmp_path / "b.bin").exists()


def test_a_file_of_another_size_is_not_permuted(tmp_path):
    np.zeros(3, "float32").tofile(tmp_path / "a.bin")
    spec = ArraySpec(dtype="float32", shape=(4,))
    with pytest.raises(InternalError, match="has 12 bytes"):
        permute_file(tmp_path / "a.bin", tmp_path / "b.bin", spec, np.arange(4))


def test_a_file_larger_than_the_memory_allowed_is_permuted(tmp_path):
    """The process may have 96 MiB of data of its own; the file has 200 MiB."""
    with (tmp_path / "a.bin").open("wb") as file:
        file.truncate(200 * 2**20)
    done = subprocess.run(
        [sys.executable, "-c", SMALL, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "b.bin").stat().st_size == 200 * 2**20


SMALL = """
import os, resource, sys
os.environ["OPENBLAS_NUM_THREADS"] = "1"
from pathlib import Path
from fumehood.data.order import permutation, permute_file
from fumehood_shared.messages import ArraySpec
resource.setrlimit(resource.RLIMIT_DATA, (96 << 20,) * 2)
folder, n = Path(sys.argv[1]), 200 * 256
spec = ArraySpec(dtype="float32", shape=(n, 1024))
permute_file(folder / "a.bin", folder / "b.bin", spec, permutation(b"k", "p", n))
"""


def test_a_large_file_of_wide_rows_passes_through_little_memory(tmp_path):
    """The training inputs of a set like CIFAR-10: 40,000 rows of 3,072 numbers, 469 MiB."""
    rows, width = 40_000, 3_072
    source, destination = tmp_path / "source.bin", tmp_path / "destination.bin"
    np.repeat(np.arange(rows, dtype="<f4"), width).tofile(source)
    script = Path(__file__).with_name("peak.py")
    done = subprocess.run(
        [sys.executable, str(script), str(source), str(destination), str(rows), str(width)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(done.stdout) < 200 * 2**20
    expected = permutation(b"k", "memory", rows)
    result = np.memmap(destination, dtype="<f4", mode="r", shape=(rows, width))
    assert np.array_equal(result[:, 0], expected)
    assert np.array_equal(result[:, -1], expected)
