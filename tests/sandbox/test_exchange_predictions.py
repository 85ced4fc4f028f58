"""Predictions that come out of a room: as many numbers as agreed, all of them finite."""

import numpy as np
import pytest

from fumehood.sandbox import exchange
from fumehood.sandbox.exchange import Rejected

pytestmark = pytest.mark.unit


def test_predictions_come_back_as_rows_and_columns(tmp_path):
    array = np.arange(6, dtype="<f4").reshape(3, 2)
    array.tofile(tmp_path / "p")
    assert exchange.read_predictions(tmp_path / "p", 3, 2).tolist() == array.tolist()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_predictions_that_are_not_finite_are_counted_by_rows(tmp_path, bad):
    array = np.zeros((4, 3), "<f4")
    array[1, 0] = array[1, 2] = array[3, 1] = bad
    array.tofile(tmp_path / "p")
    with pytest.raises(Rejected, match="2 of 4 predictions are NaN or infinite"):
        exchange.read_predictions(tmp_path / "p", 4, 3)


@pytest.mark.parametrize("size", [0, 20, 23, 25, 27, 28, 48])
def test_predictions_of_a_wrong_size_are_rejected(tmp_path, size):
    (tmp_path / "p").write_bytes(bytes(size))
    with pytest.raises(Rejected, match=f"predictions have {size} bytes, 24 agreed"):
        exchange.read_predictions(tmp_path / "p", 3, 2)
