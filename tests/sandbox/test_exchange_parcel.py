"""Files that go into a room: whole, unchanged, under a digest of what was sent; and out again as they went in."""

import hashlib
import io
import os
import tarfile
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fumehood.errors import DataError
from fumehood.sandbox.exchange import Expected, Outgoing, Parcel
from sandbox.archives import MIB, read

pytestmark = pytest.mark.unit
NAMES = st.text(st.sampled_from("abcXYZ019._- é"), min_size=1, max_size=30).filter(lambda n: n.strip("."))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


def without_conflicts(files):
    folders = {str(parent) for name in files for parent in Path(name).parents}
    return all(str(Path(name)) == name and name not in folders for name in files)


@given(st.dictionaries(PATHS, st.binary(max_size=3000), max_size=6).filter(without_conflicts), st.integers(1, 5000))
def test_what_is_packed_comes_out_again(files, chunk):
    stream = b"".join(Parcel(Outgoing(f"out/{name}", content) for name, content in files.items()))
    found = read(stream, {name: Expected(len(content), exact=True) for name, content in files.items()}, chunk=chunk)
    assert {name: file.content for name, file in found.items()} == files


@given(st.dictionaries(PATHS, st.binary(max_size=2000), max_size=4).filter(without_conflicts))
def test_what_is_packed_is_an_archive_that_no_room_can_change(files):
    stream = io.BytesIO(b"".join(Parcel(Outgoing(name, content) for name, content in files.items())))
    with tarfile.open(fileobj=stream) as archive:
        members = archive.getmembers()
    assert {m.name for m in members if m.isreg()} == set(files)
    assert all((m.uid, m.gid, m.mode & 0o222) == (0, 0, 0 if m.isreg() else 0o200) for m in members)


def test_files_are_streamed_from_and_to_disk(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "source").write_bytes(content)
    stream = b"".join(Parcel([Outgoing("out/seed-0/w", tmp_path / "source")]))
    found = read(stream, {"seed-0/w": Expected(2 * MIB, keep=tmp_path / "target")}, cap=4 * MIB)["seed-0/w"]
    assert (tmp_path / "target").read_bytes() == content
    assert (found.size, found.content) == (len(content), b"")
    hashed = read(stream, {"seed-0/w": Expected(len(content), exact=True, hash_only=True)}, cap=4 * MIB)["seed-0/w"]
    assert (hashed.digest, hashed.content) == (found.digest, b"")


def test_a_long_name_that_is_agreed_arrives():
    name = "n" * 150
    assert read(b"".join(Parcel([Outgoing(f"out/{name}", b"x")])), {name: Expected(1)})[name].content == b"x"


# ---- files of ours that change ---------------------------------------------------------------------------------------


def sending(path, meanwhile):
    """What of ``path`` is sent if ``meanwhile`` happens after the first bytes of its content."""
    parcel = Parcel([Outgoing("raw/data.csv", path)])
    stream = iter(parcel)
    sent = [next(stream) for _ in range(3)]  # folder, header, first piece
    meanwhile()
    return b"".join([*sent, *stream]), parcel


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(b"a,b\n" * MIB)
    return path


def append(path):
    with path.open("ab") as file:
        file.write(b"1,2\n")


def overwrite(path):
    with path.open("r+b") as file:
        file.seek(3 * MIB)
        file.write(b"9,9\n")


@pytest.mark.parametrize(
    "change", [append, overwrite, lambda path: os.truncate(path, 2 * MIB), lambda path: os.truncate(path, 0)]
)
def test_a_file_that_changes_while_it_is_sent_is_an_error_and_no_archive(csv, change):
    broken = []

    def noted():
        change(csv)
        broken.append(True)

    with pytest.raises(DataError, match=r"data\.csv changed while it was being sent into a room") as caught:
        sending(csv, noted)
    assert broken
    assert "Wait until whatever writes it is done" in caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("size", [512, 700, 4 * MIB])
def test_a_stream_that_was_broken_off_is_no_archive_whoever_reads_it(csv, size):
    os.truncate(csv, size)
    sent = []

    def send(change):
        sent.clear()
        for piece in Parcel([Outgoing("data.csv", csv)]):
            sent.append(piece)
            change(csv)
            change = str  # once

    with pytest.raises(DataError):
        send(append)
    with pytest.raises(tarfile.ReadError):
        names(sent)
    send(str)  # the control: nothing changes
    assert names(sent) == ["data.csv"]


def names(sent):
    with tarfile.open(fileobj=io.BytesIO(b"".join(sent)), mode="r|") as archive:
        return [one.name for one in archive]


def test_the_digest_is_of_the_bytes_that_were_sent_and_not_of_the_file_afterwards(csv):
    content = csv.read_bytes()
    replacement = csv.with_name("new")
    replacement.write_bytes(b"other")
    stream, parcel = sending(csv, lambda: replacement.replace(csv))
    with tarfile.open(fileobj=io.BytesIO(stream)) as archive:
        assert archive.extractfile("raw/data.csv").read() == content
    assert parcel.digests == {"raw/data.csv": hashlib.sha256(content).hexdigest()}
    assert csv.read_bytes() == b"other"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: None], ids=["FIFO", "folder", "nothing"])
def test_what_is_no_file_any_more_is_an_error_and_waits_for_nobody(tmp_path, make):
    make(tmp_path / "data.csv")
    with pytest.raises(DataError, match=r"data\.csv (is not a regular file|cannot be read)"):
        list(Parcel([Outgoing("data.csv", tmp_path / "data.csv")]))


def test_a_file_of_known_size_that_is_read_by_others_meanwhile_is_sent(csv):
    readers = [threading.Thread(target=csv.read_bytes) for _ in range(3)]
    stream, _ = sending(csv, lambda: [reader.start() for reader in readers])
    for reader in readers:
        reader.join()
    assert len(stream) > 4 * MIB
