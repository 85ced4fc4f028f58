"""The short form of ``make fuzz``, the documents that once took gigabytes, and proof that a fault would be found."""

import json
import re

import pytest

from fuzz import campaign, controls
from fuzz.campaign import MEMORY_BYTES, Reader
from fuzz.strategies import STRATEGIES
from fuzz.targets import TARGETS

pytestmark = pytest.mark.unit
NUMBER = 60
MIB = 1024 * 1024


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_raises_hangs_or_takes_much_memory(target):
    tally = campaign.run(target, NUMBER, draw=20_261_124)
    assert tally.finding == ""
    assert tally.inputs >= NUMBER
    assert 0 < tally.taken < tally.inputs
    assert tally.grown_bytes < MEMORY_BYTES


def test_every_target_has_inputs():
    assert set(STRATEGIES) == set(TARGETS)


FILL = {
    "empty lists": ("job reply", '{"job":"train","wall_s":1,"reports":[', "[]", "]}"),
    "empty objects": ("job reply", '{"job":"train","wall_s":1,"reports":[', "{}", "]}"),
    "nested lists": ("job reply", '{"reports":[', "[[[[[[[[[[]]]]]]]]]]", "]}"),
    "losses that are no numbers": ("job reply", '{"reports":[{"index":0,"train_loss":[', '""', "]}]}"),
    "classes that are no words": ("prepare reply", '{"job":"prepare","target":{"name":"","classes":[', "0", "]}}"),
    "classes": ("prepare reply", '{"job":"prepare","target":{"name":"","classes":[', '"\U0001f600abcdefgh"', "]}}"),
    "columns with nothing in them": ("prepare reply", '{"job":"prepare","encoding":{"kind":"tabular","columns":[',
                                     '{"kind":"number"}', "]}}"),
    "one long name": ("prepare reply", '{"job":"prepare","target":{"name":"\U0001f600', "a", '"}}'),
    "escapes": ("prepare reply", '{"job":"prepare","target":{"name":"', "\\u0041", '"}}'),
    "escaped quotes without an end": ("prepare reply", '{"job":"', '\\"', ""),
    "digits": ("job reply", '{"wall_s":', "1", "}"),
    "tensors": ("weights", '{"":{"dtype":"F32","shape":[', "1", "]}}"),
}  # fmt: skip


@pytest.mark.parametrize("target", ["job reply", "prepare reply", "weights"])
def test_what_took_gigabytes_takes_little(target):
    """Each filled to the cap of its size, and to some number of items below the caps of their number."""
    with Reader(target) as reader:
        for name, (wanted, before, item, after) in FILL.items():
            for times in (20_000, 63_000, 199_000, 10**7) if wanted == target else ():
                answer = reader.read(filled(before, item, times, after, header=target == "weights"))
                assert answer.get("taken") is False, (name, answer)
                assert answer["grown"] < MEMORY_BYTES, (name, answer)


def test_the_costliest_message_known_takes_little():
    """As many small objects as are allowed, and as many strings as there are tokens left, all with wide characters."""
    objects = ",".join(['{"\U0001f600a":"\U0001f600b"}'] * 63_000)
    strings = ",".join(['"\U0001f600"'] * 209_000)
    raw = f'{{"job":"prepare","encoding":{{"kind":"tabular","columns":[{objects},{{"values":[{strings}]}}]}}}}'
    with Reader("prepare reply") as reader:
        answer = reader.read(raw.encode())
    assert answer.get("taken") is False
    assert 20 * MIB < answer["grown"] < MEMORY_BYTES


def filled(before: str, item: str, times: int, after: str, *, header: bool) -> bytes:
    between = "," if item[:1] in '[{"0' else ""
    number = min(times, (4 * MIB - 500) // len((item + between).encode()))
    raw = (before + between.join([item] * number) + after).encode()
    return min(len(raw), MIB).to_bytes(8, "little") + raw[:MIB] if header else raw


@pytest.mark.parametrize(
    ("target", "finding"),
    [
        ("grows", "too much memory"),
        ("raises", "ValueError: not a"),
        ("hangs", "no answer within"),
        ("dies", "has ended"),
    ],
)
def test_a_fault_is_found_and_its_input_kept(target, finding, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    patience = 2.0 if target == "hangs" else 60.0
    tally = campaign.run("archive", 200, 1, Reader(target, controls.__name__, patience))
    assert finding in tally.finding
    assert tally.inputs < 200
    (kept,) = tmp_path.iterdir()
    assert str(kept) in tally.finding
    assert target != "grows" or b"seed-0" in kept.read_bytes()


def test_the_printed_table_tells_counts_and_how_to_do_it_again(capsys, monkeypatch):
    from fuzz.__main__ import main

    monkeypatch.setattr("sys.argv", ["fuzz", "5", "7"])
    monkeypatch.setattr("fuzz.__main__.STRATEGIES", {"predictions": STRATEGIES["predictions"]})
    assert main() == 0
    printed = capsys.readouterr().out
    assert "again: make fuzz FUZZ='5 7'" in printed
    assert re.search(r"^predictions +5 +\d +\d +\d+\.\d MB", printed, re.MULTILINE)
    assert re.search(r"^all +5$", printed, re.MULTILINE)
    assert json.dumps(printed).isascii()
