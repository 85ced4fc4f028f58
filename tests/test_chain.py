"""Whatever is done to the lines of a journal is named once, where it was done; a key tells who wrote them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fumehood import chain
from fumehood.errors import UsageError
from fumehood.journal import Journal
from fumehood.signing import SigningKey
from report import factories

pytestmark = pytest.mark.unit
KEY, OTHER = SigningKey(b"k" * 32), SigningKey(b"o" * 32)
COUNT = 6
STARTED = {"run_id": "r", "settings": factories.settings(), "policy": {}, "versions": {}}


def written(key=None):
    """Lines of a journal, without their ends."""
    lines, before = [], None
    for number in range(1, COUNT + 1):
        body = {"value": number / 7, "text": "naïve <b>", "nested": {"z": [1, None], "a": True}}
        if number == 1 and key:
            body[chain.SIGNED_WITH] = key.name
        before = chain.follow(before, "started" if number == 1 else "step", body, key)
        lines.append(before.line())
    return lines


def verified(lines, key=None):
    return chain.verify(b"".join(line + b"\n" for line in lines), key)


def breaks(lines, key=None):
    return [found.line for found in verified(lines, key).breaks]


def forged(lines, at, key, **body):
    """The chain as somebody would write it who has no key or another one, from line ``at`` on."""
    before, new = None, []
    for number, line in enumerate(lines, start=1):
        entry = chain.Entry.model_validate_json(line)
        before = entry if number < at else chain.follow(before, entry.kind, entry.body | body, key)
        new.append(before.line())
    return new


@pytest.mark.parametrize("key", [None, KEY])
def test_what_was_written_holds(key):
    found = verified(written(key), key)
    assert ([entry.number for entry in found.entries], found.breaks, found.tail) == ([1, 2, 3, 4, 5, 6], (), 0)
    assert found.signed_with == (key.name if key else None)


def test_bodies_keep_the_order_that_readers_see():
    assert list(verified(written()).entries[1].body) == ["value", "text", "nested"]


def test_a_journal_with_sorted_bodies_as_older_versions_wrote_it_holds():
    lines, before = [], None
    for number in (1, 2):
        body = dict(sorted({"run_id": "r", "a": {"b": 1, "c": 2}}.items()))
        before = chain.follow(before, "started" if number == 1 else "step", body, None)
        lines.append(json.dumps(json.loads(before.line()), sort_keys=True, separators=(",", ":")).encode())
    assert breaks(lines) == []


@given(st.integers(0, COUNT - 1), st.data())
def test_a_flipped_byte_is_named_at_its_line(index, data):
    lines = written(KEY)
    line = bytearray(lines[index])
    position = data.draw(st.integers(0, len(line) - 1))
    line[position] ^= data.draw(st.integers(1, 255).filter(lambda mask: line[position] ^ mask != 0x0A))
    lines[index] = bytes(line)
    assert breaks(lines, KEY)[0] == index + 1


@given(st.permutations(range(COUNT)).filter(lambda order: list(order) != list(range(COUNT))))
def test_reordered_lines_are_named_from_the_first_on(order):
    lines = written()
    first = next(i for i, j in enumerate(order) if i != j)
    assert breaks([lines[i] for i in order])[0] == first + 1


@given(st.integers(0, COUNT - 2), st.integers(1, COUNT - 1))
def test_cut_lines_are_named_once(start, count):
    lines = written()
    left = lines[:start] + lines[start + count :]
    if start + count < COUNT:
        assert breaks(left) == [start + 1]


@given(st.integers(0, COUNT - 1), st.integers(0, COUNT))
def test_a_line_that_was_put_in_is_named(source, target):
    lines = written()
    found = breaks([*lines[:target], lines[source], *lines[target:]])
    assert found[0] in (target + 1, target + 2)


def test_every_changed_line_is_named_and_no_other():
    lines = written()
    for index in (1, 4):
        lines[index] = lines[index].replace(b"true", b"false")
    assert breaks(lines) == [2, 5]
    assert len(verified(lines).entries) == 1


def test_only_the_first_of_very_many_breaks_are_named():
    assert len(chain.verify(b"\n" * 1_000_000).breaks) == 20


def test_a_tail_without_its_end_is_counted_and_not_believed():
    lines = written()
    found = chain.verify(b"\n".join(lines))
    assert (len(found.entries), found.tail) == (COUNT - 1, len(lines[-1]))


DEEP = b'{"number":1,"at":"","kind":"k","body":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000
DEEP += b',"previous":"","hash":""}'
NUMBER = b'{"number":1,"at":"","kind":"k","body":{"x":%s},"previous":"","hash":""}'


@pytest.mark.parametrize(
    "line",
    [b"", b"\0" * 100, b"\xff\xfe", b"{}", b"[" * 100_000, DEEP, NUMBER % b"NaN", NUMBER % b"1e999",
     NUMBER % (b"9" * 5000), NUMBER % b'"\\ud800"', b"null", b'{"number":1,"number":1}'],
)  # fmt: skip
def test_no_line_makes_it_crash(line):
    assert breaks([line]) == [1]


# ---- signatures ----------------------------------------------------------------------------------------------------


@given(st.integers(1, COUNT))
def test_a_chain_that_was_rewritten_holds_without_the_key_and_is_named_with_it(at):
    lines = forged(written(KEY), at, OTHER, value=1.0, **({chain.SIGNED_WITH: KEY.name} if at == 1 else {}))
    assert breaks(lines) == []
    assert breaks(lines, KEY) == list(range(at, COUNT + 1))


def test_signatures_that_were_taken_off_are_named():
    lines = forged(written(KEY), 3, None)
    assert breaks(lines) == [3]


def test_signatures_that_were_put_on_are_named():
    assert breaks(forged(written(), 3, KEY)) == [3]


def test_another_key_is_told_by_its_name_and_not_line_by_line():
    found = verified(written(KEY), OTHER)
    assert (found.breaks, found.signed_with == OTHER.name) == ((), False)


def test_the_key_is_not_shown():
    assert "kkk" not in repr(KEY)
    assert KEY.secret.hex() not in b"".join(written(KEY)).decode()


def test_a_signed_journal_goes_on_with_its_key_only(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path, KEY) as journal:
        journal.append("started", **STARTED)
    with Journal(path, KEY) as journal:
        journal.append("resumed")
    before = path.read_bytes()
    for key, why in ((None, "FUMEHOOD_AUDIT_KEY is not set"), (OTHER, "names another one")):
        with pytest.raises(UsageError, match=why):
            Journal(path, key)
    assert path.read_bytes() == before
    assert chain.verify(before, KEY).breaks == ()


def test_a_forged_line_stops_a_signed_run(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path, KEY) as journal:
        journal.append("started", **STARTED)
        for _ in range(5):
            journal.append("resumed")
    path.write_bytes(b"".join(line + b"\n" for line in forged(path.read_bytes().splitlines(), 4, OTHER)))
    with pytest.raises(UsageError, match=r"line 4 of journal.jsonl does not have the key's signature"):
        Journal(path, KEY)


def test_a_journal_begun_without_a_key_stays_unsigned(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append("started", **STARTED)
    with Journal(path, KEY) as journal:
        journal.append("resumed")
        assert not journal.is_signed
    assert chain.verify(path.read_bytes(), KEY).breaks == ()
