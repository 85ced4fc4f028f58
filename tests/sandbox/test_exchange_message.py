"""JSON that comes out of a room: strict, typed, and small in memory however it is made."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fumehood.rooms import PrepareAnswer
from fumehood.sandbox import exchange
from fumehood.sandbox.exchange import Rejected
from fumehood_shared import caps, json_tokens
from fumehood_shared.messages import FailureKind, JobReply, MountFact, TensorScale, WorkerReport

pytestmark = pytest.mark.unit


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


# ---- how much is in it -----------------------------------------------------------------------------------------------


def wide(columns):
    """A reply on a table of many numeric columns, each with an ordinary name and some cells missing."""
    names = [f"measurement_{k:05d}" for k in range(columns)]
    number = {
        "kind": "number",
        "fill": 0.12345678901234567,
        "mean": 0.12345678901234567,
        "std": 1.5,
        "indicator": False,
    }
    return {
        "job": "prepare",
        "task": "classification",
        "input_kind": "tabular",
        "input_shape": [columns],
        "num_outputs": 2,
        "encoding": {"kind": "tabular", "columns": [{**number, "name": name} for name in names]},
        "target": {"name": "y", "classes": ["a", "b"]},
        "arrays": {},
        "facts": {"rows": 30, "class_counts": {"a": 10, "b": 20}, "missing_cells": dict.fromkeys(names, 3)},
    }


def seeds(count):
    """A reply on as many seeds as a job may have, each with a long summary and long curves."""
    layer = {"name": "features.10.conv", "type": "Conv2d", "output_shape": "(2, 64, 8, 8)", "parameters": 1, "bytes": 4}
    summary = {"layers": [layer] * caps.SUMMARY_LAYERS, "parameters": 1, "bytes": 4}
    curve = [0.1234567890123] * caps.CURVE_POINTS
    report = {"summary": summary, "train_loss": curve, "held_out_loss": curve}
    return {"job": "train", "wall_s": 1, "reports": [{"index": k, **report} for k in range(count)]}


@pytest.mark.parametrize(("document", "model"), [(wide(20_000), PrepareAnswer), (seeds(caps.SEEDS), JobReply)])
def test_the_largest_messages_that_a_room_has_to_write_are_taken(document, model):
    raw = json.dumps(document, separators=(",", ":")).encode()
    assert len(raw) < caps.RESULT_BYTES
    exchange.parse(raw, model, caps.RESULT_BYTES)


@pytest.mark.parametrize(
    ("raw", "why"),
    {
        "values": (b"[" + b"0," * caps.JSON_TOKENS + b"0]", "has too many values"),
        "brackets": (b"[" + b"[]," * caps.JSON_CONTAINERS + b"[]]", "has too many values"),
        "keys": (json.dumps({f"{k}": 0 for k in range(caps.JSON_TABLE_KEYS + 1)}).encode(), "too many keys"),
        "keys in two": (json.dumps([dict.fromkeys(map(str, range(25_000)), 0)] * 2).encode(), "too many keys"),
        "objects in a table": (json.dumps({f"{k}": {} for k in range(caps.JSON_FIELDS + 1)}).encode(), "too many keys"),
        "faults": (json.dumps({f"{k}": 0 for k in range(1000)}).encode(), "does not fit WorkerReport: 1001 faults"),
    }.values(),
)  # fmt: skip
def test_a_message_with_too_much_in_it_is_rejected(raw, why):
    with pytest.raises(Rejected, match=why):
        exchange.parse(raw, WorkerReport, caps.RESULT_BYTES)


def test_commas_and_brackets_in_strings_count_for_nothing():
    message = '[{,:"' * 60
    assert parsed_message(message) == message


def parsed_message(message):
    raw = json.dumps({"index": 0, "failure": {"kind": "oom", "message": message}}).encode()
    found = exchange.parse(raw, WorkerReport, 10_000)
    assert found.failure is not None
    return found.failure.message


JSON = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def counted(value):
    """Tokens, containers, keys and depth by way of the parsed value."""
    children = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else None
    if children is None:
        return 0, 0, 0, 0
    below = [counted(child) for child in children]
    keys = len(children) if isinstance(value, dict) else 0
    tokens = 1 + max(len(children) - 1, 0) + keys
    return (
        tokens + sum(one[0] for one in below),
        1 + sum(one[1] for one in below),
        keys + sum(one[2] for one in below),
        1 + max((one[3] for one in below), default=0),
    )


@given(JSON, st.booleans(), st.sampled_from([None, 2]))
def test_what_is_counted_is_what_is_there(value, ascii_only, indent):
    found = json_tokens.count(json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode(), 10**6)
    assert (found.tokens, found.containers, found.keys, found.depth) == counted(value)


@given(st.binary(max_size=300), st.integers(0, 50))
def test_anything_can_be_counted_up_to_a_limit(garbage, most):
    assert json_tokens.count(garbage * 3, most).tokens <= most + 1


@pytest.mark.parametrize(
    "raw", ['{"index":0,"index":0}', '{"summary":{"layers":[{"name":"a","name":"b"}]}}', '[{"a":{"b":1,"b":1}}]']
)
def test_a_key_that_comes_twice_is_seen_wherever_it_is(raw):
    with pytest.raises(Rejected, match="a key comes twice"):
        message(raw)


@pytest.mark.parametrize("version", ["true", "1.0", '"1"', "2", "0"])
def test_the_version_is_the_number_itself(version):
    with pytest.raises(Rejected, match="version"):
        message(f'{{"job":"train","reports":[],"wall_s":1,"version":{version}}}', JobReply)


def test_whole_numbers_may_stand_for_fractions_and_words_for_kinds():
    found = message('{"index":0,"train_loss":[1,2],"failure":{"kind":"oom","message":""}}')
    assert (found.train_loss, found.failure.kind) == ((1.0, 2.0), FailureKind.OOM)
