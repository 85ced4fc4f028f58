"""Copies of rows among those that a predict room is asked: where they are, what is changed of them, and what is not."""

from pathlib import Path

import numpy as np
import pytest

from fumehood.data.mixing import AGAIN, CHANGE, Mixed, Spread, mix
from fumehood_shared.messages import ArraySpec

pytestmark = pytest.mark.unit
KEY = b"k" * 32


def written(path: Path, array: np.ndarray) -> ArraySpec:
    array.tofile(path)
    return ArraySpec(dtype=str(array.dtype), shape=array.shape)  # type: ignore[arg-type]  # one of the two there are


def mixed(folder: Path, array: np.ndarray, purpose: str = "predict") -> tuple[Mixed, np.ndarray]:
    spec = written(folder / "rows.bin", array)
    spread = Spread.of(folder / "rows.bin", spec, KEY)
    target = folder / f"{purpose}.bin"
    found = mix(folder / "rows.bin", target, spec, spread, KEY, purpose)
    return found, np.fromfile(target, array.dtype).reshape(-1, *array.shape[1:])


@pytest.fixture
def table() -> np.ndarray:
    """A number, a category, a constant, and a number that is mostly zero."""
    rng = np.random.default_rng(0)
    columns = (
        rng.normal(0, 3, 600),
        rng.integers(0, 2, 600),
        np.ones(600),
        rng.exponential(1, 600) * (np.arange(600) % 3 == 0),
    )
    return np.stack(columns, axis=1).astype("<f4")


def test_every_row_is_asked_and_some_are_asked_twice_elsewhere(tmp_path: Path, table: np.ndarray) -> None:
    found, rows = mixed(tmp_path, table)
    assert len(rows) == 600 + 2 * AGAIN
    assert np.array_equal(found.scored(rows), table)
    assert np.array_equal(found.second(rows), table[found.again])
    assert len(set(found.again.tolist())) == AGAIN
    assert (tmp_path / "predict.bin").stat().st_mode & 0o777 == 0o600


def test_changed_copies_differ_by_a_part_of_the_spread_where_numbers_may_be_changed(
    tmp_path: Path, table: np.ndarray
) -> None:
    found, rows = mixed(tmp_path, table)
    assert found.changed.all()
    apart = np.abs(found.shaken(rows) - table[found.again])
    assert apart[:, 0] == pytest.approx(CHANGE * table[:, 0].std(), rel=1e-2)
    assert not apart[:, 1:3].any()
    zero = table[found.again, 3] == 0
    assert not apart[zero, 3].any()
    assert apart[~zero, 3].all()


def test_rows_without_numbers_are_asked_twice_and_never_changed(tmp_path: Path) -> None:
    for name, array in (
        ("tokens", np.arange(60, dtype="<i8").reshape(20, 3)),
        ("marks", (np.arange(60).reshape(20, 3) % 2).astype("<f4")),
    ):
        (tmp_path / name).mkdir()
        found, rows = mixed(tmp_path / name, array)
        assert len(rows) == 40
        assert np.array_equal(found.second(rows), array[found.again])
        assert len(found.shaken(rows)) == len(found.changed) == 0


def test_a_row_of_values_that_may_not_be_changed_is_no_changed_copy(tmp_path: Path) -> None:
    array = np.zeros((20, 3), dtype="<f4")
    array[:6] = np.arange(18).reshape(6, 3) + 1.0
    found, rows = mixed(tmp_path, array)
    assert found.changed.sum() == 6
    assert found.shaken(rows).shape == (6, 3)


def test_the_key_and_the_purpose_alone_decide_everything(tmp_path: Path, table: np.ndarray) -> None:
    (tmp_path / "again").mkdir()
    assert np.array_equal(mixed(tmp_path, table)[1], mixed(tmp_path / "again", table)[1])
    other, _ = mixed(tmp_path, table, "another")
    assert not np.array_equal(other.again, mixed(tmp_path / "again", table, "third")[0].again)


def test_no_place_tells_what_a_row_is_for(tmp_path: Path, table: np.ndarray) -> None:
    """Mean places of the three kinds of rows are those of a random order, within four standard errors."""
    found, rows = mixed(tmp_path, table)
    n = len(rows)
    kinds = np.digitize(found.order, [600, 600 + AGAIN])
    for kind in range(3):
        places = np.flatnonzero(kinds == kind)
        assert abs(places.mean() - n / 2) < 4 * n / np.sqrt(12 * len(places))


def test_images_are_changed_number_by_number(tmp_path: Path) -> None:
    images = np.random.default_rng(1).normal(size=(50, 2, 3, 3)).astype("<f4")
    found, rows = mixed(tmp_path, images)
    assert rows.shape == (150, 2, 3, 3)
    assert (found.shaken(rows) != images[found.again]).all()
