"""Prepared data that are kept: found again by content, whole or not at all, and never in anybody's way."""

import os
import shutil
import stat
import threading
from pathlib import Path

import numpy as np
import pytest

from fumehood.data import seal, shelf
from fumehood.data.shelf import Kept, Shelf
from fumehood.errors import UsageError
from fumehood.records import RoomFacts
from fumehood_shared.messages import (
    ArraySpec,
    DataFacts,
    InputKind,
    PrepareReply,
    TargetEncoding,
    Task,
    TokenEncoding,
)
from nobody import UID

pytestmark = pytest.mark.unit

SPEC = ArraySpec(dtype="int64", shape=(50,))


def made(folder: Path, value: int = 1) -> Kept:
    """A folder with one array, as a prepare room would have left it."""
    folder.mkdir()
    digest = seal.write_sealed(folder / "train_targets.bin", [np.full(50, value, dtype="<i8").tobytes()])
    reply = PrepareReply(
        task=Task.CLASSIFICATION,
        input_kind=InputKind.TOKENS,
        input_shape=(3,),
        num_outputs=2,
        vocab_size=3,
        encoding=TokenEncoding(column="text", vocabulary=("a",), length=3),
        target=TargetEncoding(name="label", classes=("a", "b")),
        arrays={"train_targets": SPEC},
        facts=DataFacts(rows=50),
    )
    room = RoomFacts(role="prepare", wall_s=1.0, ready_s=1.0)
    return Kept(reply=reply, digests={"train_targets": digest}, raw_digests={}, room=room, at=shelf.now())


def names(kept: Shelf) -> list[str]:
    """Everything in its folder."""
    return sorted(path.name for path in kept.folder.iterdir())


@pytest.fixture
def kept(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "cache" / "prepared")


def test_what_was_kept_is_found_again_and_copied(tmp_path: Path, kept: Shelf) -> None:
    what = made(tmp_path / "a")
    kept.keep("x", what, tmp_path / "a")
    (tmp_path / "b").mkdir()
    assert kept.take("x", tmp_path / "b") == what
    assert kept.take("y", tmp_path / "b") is None
    copy = tmp_path / "b" / "train_targets.bin"
    assert copy.read_bytes() == (tmp_path / "a" / "train_targets.bin").read_bytes()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    copy.write_bytes(b"changed by a run")
    (tmp_path / "c").mkdir()
    assert kept.take("x", tmp_path / "c") == what, "what a run does to its copy is its own affair"


def test_nobody_else_may_enter(tmp_path: Path, kept: Shelf) -> None:
    kept.keep("x", made(tmp_path / "a"), tmp_path / "a")
    assert stat.S_IMODE(kept.folder.stat().st_mode) == 0o700
    kept.folder.chmod(0o755)
    (tmp_path / "b").mkdir()
    assert kept.take("x", tmp_path / "b") is not None
    assert stat.S_IMODE(kept.folder.stat().st_mode) == 0o700


def flip(place: Path) -> None:
    path = place / "train_targets.bin"
    content = bytearray(path.read_bytes())
    content[7] ^= 1
    path.write_bytes(content)


def cut(place: Path) -> None:
    os.truncate(place / "train_targets.bin", 399)


def lengthen(place: Path) -> None:
    with (place / "train_targets.bin").open("ab") as file:
        file.write(b"!")


def link(place: Path) -> None:
    path = place / "train_targets.bin"
    path.rename(place / "elsewhere")
    path.symlink_to(place / "elsewhere")


def rename_in_the_record(place: Path) -> None:
    record = place / "prepared.json"
    record.write_text(record.read_text().replace('"digests":{"train_targets"', '"digests":{"../../../out"'))


def lead_elsewhere(place: Path) -> None:
    """Into the folder of the test, where a file of that name lies that is none of the shelf's business."""
    record = place / "prepared.json"
    record.write_text(record.read_text().replace('"train_targets"', '"../precious"'))


DAMAGE = {
    "flip": flip,
    "cut": cut,
    "lengthen": lengthen,
    "link": link,
    "array gone": lambda place: (place / "train_targets.bin").unlink(),
    "record gone": lambda place: (place / "prepared.json").unlink(),
    "record is no JSON": lambda place: (place / "prepared.json").write_text("{"),
    "record of another kind": lambda place: (place / "prepared.json").write_text('{"reply": 1}'),
    "endless record": lambda place: os.truncate(place / "prepared.json", 2**40),
    "other arrays": rename_in_the_record,
    "arrays of another folder": lead_elsewhere,
}


@pytest.mark.parametrize("how", DAMAGE)
def test_what_is_not_whole_is_removed_and_leaves_nothing_behind(tmp_path: Path, kept: Shelf, how: str) -> None:
    kept.keep("x", made(tmp_path / "a"), tmp_path / "a")
    DAMAGE[how](kept.folder / "x")
    (tmp_path / "precious.bin").write_text("mine")
    (tmp_path / "b").mkdir()
    assert kept.take("x", tmp_path / "b") is None
    assert list((tmp_path / "b").iterdir()) == []
    assert not (kept.folder / "x").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "cache", "precious.bin"]
    kept.keep("x", made(tmp_path / "again"), tmp_path / "again")
    assert kept.take("x", tmp_path / "b") is not None


def aged(kept: Shelf, root: Path, names: str) -> int:
    """Keep one set after the other, each used a second later than the one before; bytes of one."""
    for number, name in enumerate(names):
        kept.keep(name, made(root / name, number), root / name)
        os.utime(kept.folder / name, (number, number))
    return sum(file.stat().st_size for file in (kept.folder / names[0]).iterdir())


def test_what_was_not_used_for_longest_makes_room(tmp_path: Path, kept: Shelf) -> None:
    one = aged(kept, tmp_path, "abc")
    Shelf(kept.folder, 3 * one).keep("d", made(tmp_path / "d"), tmp_path / "d")
    assert names(kept) == ["b", "c", "d"]
    Shelf(kept.folder, 3 * one - 1).keep("e", made(tmp_path / "e"), tmp_path / "e")
    assert names(kept) == ["d", "e"]


def test_what_was_used_is_not_the_first_to_go(tmp_path: Path, kept: Shelf) -> None:
    one = aged(kept, tmp_path, "ab")
    (tmp_path / "run").mkdir()
    assert kept.take("a", tmp_path / "run") is not None
    Shelf(kept.folder, 2 * one).keep("c", made(tmp_path / "c"), tmp_path / "c")
    assert names(kept) == ["a", "c"]


def test_what_is_larger_than_the_shelf_is_not_kept_and_drives_nothing_out(tmp_path: Path) -> None:
    kept = Shelf(tmp_path / "prepared")
    kept.keep("a", made(tmp_path / "a"), tmp_path / "a")
    small = Shelf(kept.folder, most_bytes=399)
    small.keep("b", made(tmp_path / "b"), tmp_path / "b")
    assert names(kept) == ["a"]


def test_a_place_that_a_killed_process_was_filling_is_cleared_away(tmp_path: Path, kept: Shelf) -> None:
    kept.keep("a", made(tmp_path / "a"), tmp_path / "a")
    for name in (".new-old", ".new-young"):
        (kept.folder / name).mkdir()
    os.utime(kept.folder / ".new-old", (0, 0))
    kept.keep("b", made(tmp_path / "b"), tmp_path / "b")
    assert names(kept) == [".new-young", "a", "b"]


def test_eight_at_once_keep_and_take_the_same_whole(tmp_path: Path, kept: Shelf) -> None:
    what = made(tmp_path / "a")
    found: list[Kept | None] = []

    def work(number: int) -> None:
        kept.keep("x", what, tmp_path / "a")
        into = tmp_path / str(number)
        into.mkdir()
        found.append(kept.take("x", into))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [what] * 8
    assert names(kept) == ["x"]


def test_where_two_names_for_one_file_cannot_be_it_is_copied(
    tmp_path: Path, kept: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    what = made(tmp_path / "a")
    kept.keep("linked", what, tmp_path / "a")
    monkeypatch.setattr(os, "link", refuse)
    kept.keep("copied", what, tmp_path / "a")
    shutil.rmtree(tmp_path / "a")
    for name in ("linked", "copied"):
        (tmp_path / name).mkdir()
        assert kept.take(name, tmp_path / name) == what


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_the_folder_of_somebody_else_is_neither_read_nor_written(tmp_path: Path, kept: Shelf) -> None:
    what = made(tmp_path / "a")
    kept.keep("x", what, tmp_path / "a")
    os.chown(kept.folder, UID, UID)
    (tmp_path / "b").mkdir()
    assert kept.take("x", tmp_path / "b") is None
    kept.keep("y", what, tmp_path / "a")
    assert names(kept) == ["x"]


def test_a_file_in_the_way_of_the_folder_is_no_trouble(tmp_path: Path, kept: Shelf) -> None:
    kept.folder.parent.mkdir()
    kept.folder.write_text("mine")
    kept.keep("x", made(tmp_path / "a"), tmp_path / "a")
    assert kept.take("x", tmp_path) is None
    assert kept.folder.read_text() == "mine"


def test_emptying_tells_what_there_was(tmp_path: Path, kept: Shelf) -> None:
    assert kept.empty() == (0, 0)
    kept.keep("x", made(tmp_path / "a"), tmp_path / "a")
    count, size = kept.empty()
    assert count == 1
    assert size > 400
    assert not kept.folder.exists()
    assert (tmp_path / "a" / "train_targets.bin").exists()


def test_the_switch_is_yes_or_no(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shelf.own() is None, "tests keep nothing"
    monkeypatch.setenv(shelf.SWITCH, "yes")
    monkeypatch.setenv("FUMEHOOD_CACHE", "/somewhere")
    assert shelf.own() == Shelf(Path("/somewhere/prepared"))
    monkeypatch.delenv(shelf.SWITCH)
    assert shelf.own() is not None
    monkeypatch.setenv(shelf.SWITCH, "perhaps")
    with pytest.raises(UsageError, match="neither yes nor no"):
        shelf.own()


def test_a_name_depends_on_every_part_and_on_no_order() -> None:
    name = shelf.name_of({"a": "1", "b": "2"})
    assert name == shelf.name_of({"b": "2", "a": "1"})
    assert len({name, shelf.name_of({"a": "1", "b": "3"}), shelf.name_of({"a": "1"})}) == 3
