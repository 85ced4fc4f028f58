"""Bytes that come out of a room: what was agreed arrives exactly, anything else is a Rejected and never a crash."""

import contextlib
import io
import json
import resource
import struct
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fumehood.sandbox import exchange
from fumehood.sandbox.exchange import Expected, Outgoing, Rejected, pack, unpack
from fumehood_shared.messages import JobReply, MountFact, TensorScale, WorkerReport

pytestmark = pytest.mark.unit
MIB = 1024 * 1024
NAMES = st.text(st.sampled_from("abcXYZ019._- é"), min_size=1, max_size=30).filter(lambda n: n.strip("."))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


def tar(*members, format=tarfile.PAX_FORMAT):
    """An archive of (TarInfo, bytes) as one stream."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def member(name, content=b"", kind=tarfile.REGTYPE, **fields):
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def out(*members):
    """What a room's folder ``out`` looks like with these members."""
    return tar(member("out", kind=tarfile.DIRTYPE), *members)


def read(stream, expected=None, cap=MIB, chunk=1000):
    chunks = (stream[i : i + chunk] for i in range(0, len(stream), chunk))
    return unpack(chunks, "out", {"a": Expected(100)} if expected is None else expected, cap)


# ---- there and back ------------------------------------------------------------------------------------------------


def without_conflicts(files):
    folders = {str(parent) for name in files for parent in Path(name).parents}
    return all(str(Path(name)) == name and name not in folders for name in files)


@given(st.dictionaries(PATHS, st.binary(max_size=3000), max_size=6).filter(without_conflicts), st.integers(1, 5000))
def test_what_is_packed_comes_out_again(files, chunk):
    stream = b"".join(pack(Outgoing(f"out/{name}", content) for name, content in files.items()))
    found = read(stream, {name: Expected(len(content), exact=True) for name, content in files.items()}, chunk=chunk)
    assert {name: file.content for name, file in found.items()} == files


@given(st.dictionaries(PATHS, st.binary(max_size=2000), max_size=4).filter(without_conflicts))
def test_what_is_packed_is_an_archive_that_no_room_can_change(files):
    stream = io.BytesIO(b"".join(pack(Outgoing(name, content) for name, content in files.items())))
    with tarfile.open(fileobj=stream) as archive:
        members = archive.getmembers()
    assert {m.name for m in members if m.isreg()} == set(files)
    assert all((m.uid, m.gid, m.mode & 0o222) == (0, 0, 0 if m.isreg() else 0o200) for m in members)


def test_files_are_streamed_from_and_to_disk(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "source").write_bytes(content)
    stream = b"".join(pack([Outgoing("out/seed-0/w", tmp_path / "source")]))
    found = read(stream, {"seed-0/w": Expected(2 * MIB, keep=tmp_path / "target")}, cap=4 * MIB)["seed-0/w"]
    assert (tmp_path / "target").read_bytes() == content
    assert (found.size, found.content) == (len(content), b"")
    hashed = read(stream, {"seed-0/w": Expected(len(content), exact=True, hash_only=True)}, cap=4 * MIB)["seed-0/w"]
    assert (hashed.digest, hashed.content) == (found.digest, b"")


def test_a_long_name_that_is_agreed_arrives():
    name = "n" * 150
    assert read(b"".join(pack([Outgoing(f"out/{name}", b"x")])), {name: Expected(1)})[name].content == b"x"


# ---- hostile archives ----------------------------------------------------------------------------------------------

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


# ---- messages ------------------------------------------------------------------------------------------------------


def message(raw, model=WorkerReport, cap=10_000):
    return exchange.parse(raw if isinstance(raw, bytes) else raw.encode(), model, cap)


def test_a_good_message_is_parsed():
    report = WorkerReport(index=3, train_loss=(0.5, 0.25), epochs=2)
    assert message(report.model_dump_json()) == report


@pytest.mark.parametrize(
    ("raw", "why"),
    {
        "nothing": ("", "not strict JSON"),
        "no JSON": ("index=0", "not strict JSON"),
        "two documents": ('{"index":0}{"index":0}', "not strict JSON"),
        "duplicate key": ('{"index":0,"index":1}', "not strict JSON"),
        "duplicate key below": ('{"index":0,"failure":{"kind":"oom","kind":"oom","message":""}}', "not strict JSON"),
        "duplicate key by escape": ('{"index":0,"\\u0069ndex":1}', "not strict JSON"),
        "NaN": ('{"index":0,"train_s":NaN}', "not strict JSON"),
        "Infinity": ('{"index":0,"train_s":Infinity}', "not strict JSON"),
        "-Infinity": ('{"index":0,"train_s":-Infinity}', "not strict JSON"),
        "overflow": ('{"index":0,"train_s":1e999}', "train_s: finite_number"),
        "overflow in a list": ('{"index":0,"train_loss":[1e999]}', "train_loss.0: finite_number"),
        "unknown field": ('{"index":0,"score":1}', "score: extra_forbidden"),
        "missing field": ("{}", "index: missing"),
        "wrong type": ('{"index":"0"}', "index: int_type"),
        "float for int": ('{"index":0.0}', "index"),
        "bool for int": ('{"index":true}', "index: int_type"),
        "negative": ('{"index":-1}', "index: greater_than_equal"),
        "too large": ('{"index":9007199254740993}', "index: less_than_equal"),
        "huge integer": ('{"index":' + "9" * 5000 + "}", ""),
        "lone surrogate": ('{"index":0,"failure":{"kind":"oom","message":"\\ud800"}}', ""),
        "array": ("[]", "model_type"),
        "deep": ("[" * 33 + "]" * 33, "not strict JSON"),
        "very deep": ("[" * 4000 + "]" * 4000, "not strict JSON"),
        "long string": ('{"index":0,"failure":{"kind":"oom","message":"' + "x" * 501 + '"}}', "string_too_long"),
        "unknown kind": ('{"index":0,"failure":{"kind":"fine","message":""}}', "failure.kind: enum"),
    }.values(),
)
def test_a_message_that_is_not_as_agreed_is_rejected_with_the_reason(raw, why):
    with pytest.raises(Rejected) as caught:
        message(raw)
    assert why in str(caught.value)


@pytest.mark.parametrize("raw", [b'{"index":0}\xff', '{"index":0}'.encode("utf-16"), b"\xef\xbb\xbf" + b'{"index":0}'])
def test_only_utf_8_is_read(raw):
    with pytest.raises(Rejected):
        message(raw)


def test_a_message_over_its_cap_is_not_even_looked_at():
    with pytest.raises(Rejected, match="a message of 101 bytes, at most 100 agreed"):
        message(b"\xff" * 101, cap=100)


def test_a_rejection_does_not_repeat_the_room_s_words():
    with pytest.raises(Rejected) as caught:
        message(json.dumps({"index": 0, "x" * 3000: 1, "failure": "\x1b[31m" * 50}))
    assert len(str(caught.value)) < 300


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_any_other_json_is_rejected_and_nothing_else_happens(value):
    for model in (JobReply, MountFact, TensorScale):
        with pytest.raises(Rejected):
            message(json.dumps(value).encode(), model)


# ---- weights -------------------------------------------------------------------------------------------------------


def weights(path, header, data=b"", length=None):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + data)
    return path


def entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_parameters_of_a_real_file_are_counted(tmp_path):
    from safetensors.numpy import save_file

    save_file({"w": np.zeros((3, 4), "float32"), "b": np.zeros(4, "float32")}, tmp_path / "w")
    assert exchange.count_parameters(tmp_path / "w") == 16


def test_wide_elements_count_as_two_numbers_and_narrow_ones_as_one(tmp_path):
    from safetensors.numpy import save_file

    save_file({"w": np.zeros(10, "float64")}, tmp_path / "wide")
    save_file({"w": np.zeros(10, "int8")}, tmp_path / "narrow")
    assert exchange.count_parameters(tmp_path / "wide") == 20
    assert exchange.count_parameters(tmp_path / "narrow") == 10


def test_scalars_and_empty_tensors_are_tensors(tmp_path):
    path = weights(tmp_path / "w", {"e": entry([0, 5], 0, 0), "s": entry([], 0, 4), "z": entry([0], 4, 4)}, bytes(4))
    assert exchange.count_parameters(path) == 1


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
        exchange.count_parameters(weights(tmp_path / "w", header, bytes(data)))


@pytest.mark.parametrize("length", [0, 1, 10**6, 2**20 + 1, 2**63, 2**64 - 1])
def test_a_header_of_an_impossible_length_is_rejected(tmp_path, length):
    with pytest.raises(Rejected, match="impossible length"):
        exchange.count_parameters(weights(tmp_path / "w", {"a": entry([1], 0, 4)}, bytes(4), length))


@given(st.binary(max_size=400))
def test_any_other_file_is_rejected(tmp_path_factory, garbage):
    path = tmp_path_factory.mktemp("w") / "w"
    path.write_bytes(struct.pack("<Q", max(len(garbage) - 3, 0)) + garbage)
    with pytest.raises(Rejected):
        exchange.count_parameters(path)


def test_a_terabyte_of_nothing_is_counted_without_reading_it(tmp_path):
    size = 2**40
    path = weights(tmp_path / "w", {"a": entry([size // 4], 0, size)})
    with path.open("r+b") as file:
        try:
            file.truncate(path.stat().st_size + size)
        except OSError:
            pytest.skip("the file system takes no sparse file of this size")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert exchange.count_parameters(path) == size // 4
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


# ---- predictions ---------------------------------------------------------------------------------------------------


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
