"""Every opening of a seal is numbered, whatever else is going on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fumehood.data import seal
from fumehood.data.seal import Ledger, create_sealed_dir, file_digest, write_sealed
from fumehood.errors import UsageError

pytestmark = pytest.mark.unit


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "openings.jsonl"


def test_openings_of_the_same_test_rows_are_numbered(path):
    assert [Ledger(path).record_opening("rows", run) for run in ("a", "b", "c")] == [1, 2, 3]


def test_other_test_rows_have_numbers_of_their_own(path):
    ledger = Ledger(path)
    ledger.record_opening("rows", "a")
    assert ledger.record_opening("others", "a") == 1
    assert ledger.record_opening("others", "b") == 2


def test_a_run_that_asks_again_gets_its_old_number_and_leaves_no_trace(path):
    ledger = Ledger(path)
    ledger.record_opening("rows", "a")
    ledger.record_opening("rows", "b")
    before = path.read_bytes()
    assert ledger.record_opening("rows", "a") == 1
    assert path.read_bytes() == before


def test_the_ledger_is_for_its_user_alone(path):
    Ledger(path).record_opening("rows", "a")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_concurrent_processes_get_every_number_once(path):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(k)], stdout=subprocess.PIPE, text=True)
        for k in range(4)
    ]
    numbers = [int(line) for w in writers for line in w.communicate(timeout=120)[0].split()]
    assert all(w.returncode == 0 for w in writers)
    assert sorted(numbers) == list(range(1, 41))
    assert Ledger(path).record_opening("rows", "last") == 41


WRITER = """
import sys
from pathlib import Path
from fumehood.data.seal import Ledger
for i in range(10):
    print(Ledger(Path(sys.argv[1])).record_opening("rows", f"run-{sys.argv[2]}-{i}"))
"""


@pytest.mark.parametrize("junk", [b"junk", b"", b"\xff\xfe", b'{"test_digest": "rows"}', b"[1, 2]"])
def test_an_unreadable_line_is_named_and_no_other_is_lost(path, junk):
    ledger = Ledger(path)
    ledger.record_opening("rows", "a")
    good = path.read_bytes()
    path.write_bytes(good + junk + b"\n" + good.replace(b'"a"', b'"b"').replace(b":1,", b":2,"))
    damaged = path.read_bytes()
    with pytest.raises(UsageError, match="Line 2 of the ledger") as caught:
        ledger.record_opening("rows", "c")
    assert "the others are intact" in caught.value.hint
    assert path.read_bytes() == damaged
    path.write_bytes(damaged.replace(junk + b"\n", b"", 1) if junk else damaged.replace(b"\n\n", b"\n"))
    assert ledger.record_opening("rows", "c") == 3


def test_a_last_line_that_a_killed_writer_left_unfinished_does_not_count(path):
    ledger = Ledger(path)
    ledger.record_opening("rows", "a")
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:25])
    assert ledger.record_opening("rows", "b") == 2
    assert path.read_bytes().startswith(whole)
    assert ledger.record_opening("rows", "c") == 3


def test_a_last_line_without_its_end_counts(path):
    ledger = Ledger(path)
    ledger.record_opening("rows", "a")
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert ledger.record_opening("rows", "b") == 2
    assert ledger.record_opening("rows", "a") == 1


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_a_sealed_directory_is_private_whatever_the_umask(tmp_path, umask):
    old = os.umask(umask)
    try:
        create_sealed_dir(tmp_path / "sealed")
    finally:
        os.umask(old)
    assert (tmp_path / "sealed").stat().st_mode & 0o777 == 0o700


def test_a_sealed_directory_that_was_opened_up_is_closed_again(tmp_path):
    (tmp_path / "sealed").mkdir()
    (tmp_path / "sealed").chmod(0o755)
    create_sealed_dir(tmp_path / "sealed")
    assert (tmp_path / "sealed").stat().st_mode & 0o777 == 0o700


def test_links_and_files_are_no_sealed_directories(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").touch()
    for name in ("link", "file"):
        with pytest.raises(UsageError):
            create_sealed_dir(tmp_path / name)


def test_sealed_files_are_private_digested_and_never_written_twice(tmp_path):
    path = tmp_path / "labels.bin"
    digest = write_sealed(path, [b"one", b"two"])
    assert path.read_bytes() == b"onetwo"
    assert path.stat().st_mode & 0o777 == 0o600
    assert digest == file_digest(path)
    with pytest.raises(FileExistsError):
        write_sealed(path, [b"three"])
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        write_sealed(tmp_path / "dangling", [b"x"])


def test_a_digest_is_sha_256(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_digest(tmp_path / "f") == expected


def test_the_key_of_an_earlier_run_is_taken_as_it_is(tmp_path):
    assert seal.known_key(tmp_path) is None
    (tmp_path / seal.KEY).write_bytes(bytes(range(32)))
    assert seal.known_key(tmp_path) == bytes(range(32))


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
def test_a_file_that_is_no_key_of_row_orders_is_refused_by_name(tmp_path, content):
    (tmp_path / "some.key").write_bytes(content)
    with pytest.raises(UsageError, match=r"some\.key is no key of row orders"):
        seal.read_key(tmp_path / "some.key")


def test_a_key_that_is_not_there_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        seal.read_key(tmp_path / "none.key")
