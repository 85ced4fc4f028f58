"""Archives that come out of a room: what was agreed arrives exactly, anything else is Rejected and leaves nothing."""

import contextlib
import tarfile
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fumehood.sandbox.exchange import Expected, Rejected, unpack
from sandbox.archives import MIB, block, member, out, pax, read, tar

pytestmark = pytest.mark.unit

KINDS = {
    "symbolic link": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
    "FIFO": tarfile.FIFOTYPE,
    "character device": tarfile.CHRTYPE,
    "block device": tarfile.BLKTYPE,
    "folder": tarfile.DIRTYPE,
    "contiguous file": tarfile.CONTTYPE,
    "unknown kind": b"Z",
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_only_a_regular_file_is_a_file(kind):
    with pytest.raises(Rejected, match="a is not a regular file"):
        read(out(member("out/a", kind=kind, linkname="/etc/shadow")))


def test_a_sparse_file_is_not_a_regular_file():
    info = tarfile.TarInfo("out/a")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[148:156] = b"%06o\0 " % (256 + sum(header[:148]) + sum(header[156:512]))
    with pytest.raises(Rejected, match="is not a regular file"):
        read(bytes(header) + bytes(1024))


@pytest.mark.parametrize(
    "name",
    [
        "b", "out", "out/", "out/b", "out/../a", "../a", "out/a/../../b", "/out/a", "/etc/passwd", "out//a", "out/./a",
        "outer/a", "out/a\n", "out/-rf", "-rf", "out/\udce9\udcff", "out/" + "x" * 5000, "out/A", "out/a/b",
    ],
)  # fmt: skip
def test_any_other_name_is_rejected(name):
    with pytest.raises(Rejected) as caught:
        read(tar(member(name, b"x"), format=tarfile.GNU_FORMAT))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_an_unexpected_folder_is_rejected_and_an_expected_one_comes_once():
    folder = member("out/seed-0", kind=tarfile.DIRTYPE)
    expected = {"seed-0/w": Expected(10)}
    assert read(out(folder, member("out/seed-0/w", b"x")), expected)["seed-0/w"].content == b"x"
    with pytest.raises(Rejected):
        read(out(folder, folder), expected)
    with pytest.raises(Rejected):
        read(out(member("out/seed-1", kind=tarfile.DIRTYPE)), expected)


@pytest.mark.parametrize(
    ("expected", "size"), [(Expected(5), 6), (Expected(5, exact=True), 6), (Expected(5, exact=True), 4)]
)
def test_a_wrong_size_is_rejected(expected, size):
    with pytest.raises(Rejected, match=f"a has {size} bytes, .* 5 agreed"):
        read(out(member("out/a", b"x" * size)), {"a": expected})


def test_a_file_that_comes_twice_is_rejected():
    with pytest.raises(Rejected, match="a comes twice"):
        read(out(member("out/a", b"1"), member("out/a", b"2")))


def test_a_stream_that_ends_within_a_file_is_rejected_and_leaves_nothing(tmp_path):
    stream = out(member("out/a", b"x" * 90_000))
    for end in (3000, 50_000, 80_000):
        with pytest.raises(Rejected):
            read(stream[:end], {"a": Expected(MIB, keep=tmp_path / "a")})
        assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_when_the_engine_breaks_off(tmp_path):
    def breaking():
        yield out(member("out/a", b"x" * 90_000))[:50_000]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        unpack(breaking(), "out", {"a": Expected(MIB, keep=tmp_path / "a")}, MIB)
    assert list(tmp_path.iterdir()) == []


def test_a_stream_over_the_cap_is_rejected():
    with pytest.raises(Rejected, match="larger than the policy allows"):
        read(out(member("out/a", b"x" * 50_000)), {"a": Expected(MIB)}, cap=40_000)


def test_an_endless_stream_is_rejected_at_the_cap():
    def endless():
        yield out(member("out/a", b""))[:512]
        while True:
            yield member("out/a")[0].tobuf()

    with pytest.raises(Rejected):
        unpack(endless(), "out", {"a": Expected(10)}, MIB)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_that_claims_a_huge_extension_is_rejected_before_it_is_read(kind):
    taken = []

    def stream():
        yield member("out/a", kind=kind, size=900 * MIB)[0].tobuf()
        while True:
            taken.append(1)
            yield bytes(MIB)

    with pytest.raises(Rejected, match="impossible size"):
        unpack(stream(), "out", {"a": Expected(10)}, 1000 * MIB)
    assert len(taken) < 3


def test_headers_that_announce_each_other_without_end_are_rejected():
    link = member("out/a", kind=tarfile.GNUTYPE_LONGNAME, size=1)[0].tobuf(tarfile.GNU_FORMAT) + bytes(512)
    with pytest.raises(Rejected):
        read(link * 5000, cap=100 * MIB)


@given(st.binary(max_size=3000))
def test_garbage_is_rejected_or_yields_nothing(garbage):
    with contextlib.suppress(Rejected):
        assert read(garbage) == {}


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 3071), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_damaged_archive_is_rejected_or_yields_only_what_was_agreed(changes):
    stream = bytearray(out(member("out/a", b"x" * 90, pax_headers={"comment": "é" * 40})))
    for position, value in changes:
        stream[position] = value
    try:
        found = read(bytes(stream))
    except Rejected:
        return
    assert set(found) <= {"a"}
    assert all(file.size == len(file.content) <= 100 for file in found.values())


def test_memory_stays_flat_while_a_big_file_passes(tmp_path):
    size = 192 * MIB
    head = member("out", kind=tarfile.DIRTYPE)[0].tobuf() + member("out/a", size=size)[0].tobuf()

    def stream():
        yield head
        for _ in range(192):
            yield bytes(MIB)
        yield bytes(1024)

    tracemalloc.start()
    try:
        found = unpack(stream(), "out", {"a": Expected(size, exact=True, keep=tmp_path / "a")}, size + MIB)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found["a"].size == (tmp_path / "a").stat().st_size == size
    assert peak < 16 * MIB


# ---- what tar can be made to mean ------------------------------------------------------------------------------------

END = bytes(1024)
FILE = block({}, size=2) + b"hi" + bytes(510)


def test_the_plain_header_that_the_cases_below_change_is_taken():
    assert read(FILE + END)["a"].content == b"hi"


@pytest.mark.parametrize(
    ("stream", "why"),
    {
        "damaged checksum": (b"OUT" + FILE[3:] + END, "damaged"),
        "no format": (block({257: b"\0" * 8}, size=2) + FILE[512:] + END, "damaged"),
        "negative size": (block({124: b"\xff" * 12}) + END, "a number in a header is none"),
        "size in words": (block({124: b"0x1f\0"}) + END, "a number in a header is none"),
        "size of 2^88": (block({124: b"\x80" + b"\xff" * 11}) + END, "at most 100 agreed"),
        "name that is not UTF-8": (block({4: b"\xff\xfe"}) + END, "not UTF-8"),
        "name below another prefix": (block({345: b"etc"}, size=2) + FILE[512:] + END, "unexpected name 'etc/out/a'"),
        "folder with content": (block({}, "out", 2, tarfile.DIRTYPE) + FILE[512:] + END, "unexpected name"),
        "global header": (block({}, "g", 0, tarfile.XGLTYPE) + FILE + END, "a header of kind 'g'"),
        "long link target": (block({}, "l", 0, tarfile.GNUTYPE_LONGLINK) + FILE + END, "a header of kind 'K'"),
        "Solaris header": (block({}, "x", 0, tarfile.SOLARIS_XHDTYPE) + FILE + END, "a header of kind 'X'"),
        "two extended headers": (pax(b"") + pax(b"") + FILE + END, "a header of kind 'x'"),
        "extended header for nothing": (pax(b"") + END, "ends where more was announced"),
        "sparse map": (pax(b"26 GNU.sparse.map=0,1,2,3\n") + FILE + END, "not a regular file"),
        "sparse, version 1": (pax(b"22 GNU.sparse.major=1\n") + FILE + END, "not a regular file"),
        "other encoding": (pax(b"21 hdrcharset=BINARY\n") + FILE + END, "not UTF-8"),
        "negative size, extended": (pax(b"11 size=-1\n") + FILE + END, "a number in a header is none"),
        "larger size, extended": (pax(b"12 size=600\n") + FILE + END, "a has 600 bytes"),
        "smaller size, extended": (pax(b"10 size=0\n") + FILE + END, "damaged"),
        "size twice": (pax(b"10 size=2\n10 size=2\n") + FILE + END, "an extended header is damaged"),
        "record of no length": (pax(b"0 size=2\n") + FILE + END, "an extended header is damaged"),
        "record beyond the header": (pax(b"99 size=2\n") + FILE + END, "an extended header is damaged"),
        "record without a key": (pax(b"7 size2\n") + FILE + END, "an extended header is damaged"),
        "lengths without an end": (pax(b"1" * 65_536) + FILE + END, "an extended header is damaged"),
        "name in an extended header": (pax(b"13 path=../a\n") + FILE + END, "unexpected name '../a'"),
        "no end mark": (FILE, "ends in the middle"),
        "half an end mark": (FILE + bytes(512), "ends in the middle"),
        "an end mark with something in it": (FILE + bytes(512) + b"x" * 512, "ends where more was announced"),
        "nothing": (b"", "ends in the middle"),
    }.values(),
)  # fmt: skip
def test_what_tar_can_be_made_to_mean_is_rejected(stream, why):
    with pytest.raises(Rejected, match=why):
        read(stream)


def test_names_and_sizes_of_an_extended_header_are_the_ones_that_count():
    stream = pax(b"14 path=out/a\n12 size=002\n") + block({}, "x", 0) + FILE[512:] + END
    assert read(stream)["a"].content == b"hi"


def test_attributes_owners_and_dates_are_passed_over():
    stream = out(member("out/a", b"hi", uid=2**40, mtime=1.5, pax_headers={"SCHILY.xattr.user.x": "é" * 500}))
    assert read(stream)["a"].content == b"hi"


def test_nothing_behind_the_end_mark_is_read():
    def stream():
        yield FILE + END
        raise AssertionError("read on")

    assert unpack(stream(), "out", {"a": Expected(100)}, MIB)["a"].content == b"hi"


def test_a_file_that_was_there_before_is_neither_overwritten_nor_removed(tmp_path):
    (tmp_path / "a").write_bytes(b"ours")
    with pytest.raises(FileExistsError):
        read(FILE + END, {"a": Expected(100, keep=tmp_path / "a")})
    assert (tmp_path / "a").read_bytes() == b"ours"
