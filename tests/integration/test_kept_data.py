"""The same data are prepared once: later runs and checks take them over, where all that they depend on is alike."""

import json
from pathlib import Path
from typing import Any

import pytest

from fakes.image_files import classes_of_images, write_folder
from fumehood import policy, preparation
from fumehood.data.shelf import SWITCH, Shelf
from fumehood.errors import DataError
from fumehood.journal import fold, read
from fumehood.preparation import Preparation
from integration.lab import Lab, fumehood_cli, tightened

pytestmark = pytest.mark.integration

ROWS = "a,b,y\n" + "".join(f"{k},{k % 7},{'xz'[k % 2]}\n" for k in range(60))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(ROWS)
    return path


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "prepared")


def prepare(lab: Lab, sealed: Path, table: Path, shelf: Shelf | None, **changes: Any) -> Preparation:
    return preparation.prepare(lab.host, sealed, f"csv:{table}#target=y", **{"split_seed": 0, "kept": shelf, **changes})


def test_the_same_data_come_from_the_first_room(lab: Lab, tmp_path: Path, table: Path, shelf: Shelf) -> None:
    first = prepare(lab, tmp_path / "1", table, shelf)
    moved = table.rename(tmp_path / "elsewhere.csv")
    second = prepare(lab, tmp_path / "2", moved, shelf)
    assert first.kept_since == ""
    assert second.kept_since
    assert second.room == first.room
    assert second.dataset == first.dataset.model_copy(update={"spec": f"csv:{moved}#target=y"})
    for name in first.dataset.arrays:
        assert (tmp_path / "1" / f"{name}.bin").read_bytes() == (tmp_path / "2" / f"{name}.bin").read_bytes()
    keys = [(tmp_path / folder / "row-order.key").read_bytes() for folder in "12"]
    assert keys[0] != keys[1], "the secret orders of rows are each run's own"


def test_whatever_they_depend_on_makes_them_others(lab: Lab, tmp_path: Path, table: Path, shelf: Shelf) -> None:
    prepare(lab, tmp_path / "first", table, shelf)
    changes: dict[str, dict[str, Any]] = {
        "split_seed": {"split_seed": 1},
        "subset": {"subset": 40},
        "folds": {"splits": "kfold:3"},
    }
    for name, change in changes.items():
        assert prepare(lab, tmp_path / name, table, shelf, **change).kept_since == "", name
        assert prepare(lab, tmp_path / f"{name} again", table, shelf, **change).kept_since, name
    other = lab.under(tightened(policy.load("standard"), wall_s=99.0))
    assert prepare(other, tmp_path / "policy", table, shelf).kept_since == ""
    table.write_text(ROWS.replace("59,", "58,"))
    assert prepare(lab, tmp_path / "content", table, shelf).kept_since == ""


def test_what_was_changed_on_the_shelf_is_prepared_again(lab: Lab, tmp_path: Path, table: Path, shelf: Shelf) -> None:
    first = prepare(lab, tmp_path / "1", table, shelf)
    (array,) = shelf.folder.glob("*/test_targets.bin")
    array.write_bytes(bytes(array.stat().st_size))  # every label is the first class
    second = prepare(lab, tmp_path / "2", table, shelf)
    assert second.kept_since == ""
    assert second.dataset == first.dataset
    assert prepare(lab, tmp_path / "3", table, shelf).kept_since


def test_a_folder_of_images_is_known_by_its_files(lab: Lab, tmp_path: Path, shelf: Shelf) -> None:
    folder = write_folder(tmp_path / "images", classes_of_images())
    since = []
    for number in range(3):
        done = preparation.prepare(lab.host, tmp_path / str(number), f"imagefolder:{folder}", 0, kept=shelf)
        since.append(done.kept_since)
        if number == 1:
            write_folder(folder, {"cat/another.png": classes_of_images()["dog/000.png"]})
    assert since[0] == since[2] == ""
    assert since[1]


def test_data_that_cannot_be_used_are_not_kept(lab: Lab, tmp_path: Path, table: Path, shelf: Shelf) -> None:
    table.write_text("a,y\n1,x\n")
    for name in "12":
        with pytest.raises(DataError):
            prepare(lab, tmp_path / name, table, shelf)
    assert not shelf.folder.exists()


@pytest.mark.slow
def test_runs_and_checks_share_them_and_say_so(tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "yes")
    monkeypatch.setenv("FUMEHOOD_CACHE", str(tmp_path / "cache"))
    data = f"csv:{table}#target=y"
    asked = ("--goal", "Classify", "--data", data, "--max-iterations", "1", "--num-seeds", "1")
    told = []
    for name in ("first", "second"):
        done = fumehood_cli("run", *asked, "--workdir", str(tmp_path / name))
        assert done.returncode == 0, done.stderr
        told.append(done.stderr)
    states = [fold(read(tmp_path / name / "journal.jsonl")) for name in ("first", "second")]
    since = [state.prepared.kept_since for state in states if state.prepared]
    assert since[0] == ""
    assert since[1]
    assert "taken over" not in told[0]
    assert f"prepared at {since[1]}; what came out is taken over" in told[1]
    audited = fumehood_cli("audit", str(tmp_path / "second"))
    assert audited.returncode == 0, audited.stdout
    assert f"prepare room of {since[1]}" in fumehood_cli("audit", str(tmp_path / "second"), "--json").stdout
    source = tmp_path / "second" / "src" / "models" / "model.py"
    check = ("check", str(source), "--data", data, "--num-seeds", "1", "--policy", "standard", "--json")
    checked = fumehood_cli(*check)
    facts = json.loads(checked.stdout)["facts"]
    assert facts["data_kept_since"] == since[1]
    assert {room["role"] for room in facts["rooms"]} == {"train", "predict"}, "the prepare room was another one's"
    assert "removed 1 data set" in fumehood_cli("data", "forget").stdout
    again = fumehood_cli(*check)
    assert json.loads(again.stdout)["facts"]["data_kept_since"] is None
    assert fumehood_cli("audit", str(tmp_path / "second")).returncode == 0, "runs have copies of their own"
