"""Answers as models give them: what is around an object is looked past, and what is in it is never changed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from fumehood.llm.parsing import Unreadable, parse, readable
from llm.kit import Wish

pytestmark = pytest.mark.unit
GOOD = '{"action": "go", "width": 3}'
WISH = Wish(action="go", width=3)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"\ufeff{GOOD}\n",
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}\n```\nI hope this helps!",
        f"Sure! Here is what I propose: {GOOD}. Shall we go on?",
        f"<think>maybe {{width: 9}} or {{'a': 1}}?</think>{GOOD}",
        f'First I thought of {{"action": "stop", "width": 1}}, but then: {GOOD}',
        f'{GOOD}\nAs an aside, {{"width": 12}} would be too many.',
        '{"action": "go", "width": 3,}',
        '{"action": "go", "width": 3 , \n }',
        '```json\n{\n  "action": "go",\n  "width": 3,\n}\n```',
        f"{'{' * 300} {GOOD}",
    ],
)
def test_the_object_is_found_in_whatever_is_around_it(text):
    assert parse(text, "stop", Wish) == WISH


@pytest.mark.parametrize(
    "note", ["a,}", ",]", "```", "{", "}", '\\"', "// no", "'", "True", "1,000", "x,,}", "<think>"]
)
def test_values_are_never_rewritten(note):
    text = json.dumps({"action": "go", "width": 3, "note": note})[:-1] + ",}"
    assert parse(f"Look:\n```json\n{text}\n```", "stop", Wish) == Wish(action="go", width=3, note=note)


@given(
    note=st.text(st.characters(exclude_categories=["Cs"])), before=st.sampled_from(["", "So: ", "```json\n", "\ufeff"])
)
def test_any_text_comes_back_as_it_was_sent(note, before):
    text = before + json.dumps({"action": "stop", "width": -1, "note": note}, ensure_ascii=False)
    assert parse(text, "stop", Wish) == Wish(action="stop", width=-1, note=note)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("I would rather not.", "no JSON object"),
        ("{'action': 'go'}", "no JSON object"),
        ('{"action": "go", "width": NaN}', "NaN is no JSON"),
        ('{"action": "go", "width": 3,,}', "no JSON object"),
        ('{"action": "go" "width": 3}', "no JSON object"),
        ('{"action": "go", "width": 3', "no JSON object"),
        ("[1, 2]", "no JSON object"),
        ('{"action": "fly", "width": 3}', "action: Input should be 'go' or 'stop'"),
        ('{"action": "go"}', "width: Field required"),
        ('{"action": "go", "width": 3, "height": 4}', "height: Extra inputs are not permitted"),
        ('{"action": "go", "width": "' + "9" * 5000 + '"}', "width"),
        ('{"a":' * 100_000, "no JSON object"),
        ("{" * 200_000, "no JSON object"),
        ('{"action": "go", "width": ' + "9" * 5000 + "}", "no JSON object"),
    ],
)
def test_what_is_no_answer_is_told_why(text, why):
    found = parse(text, "stop", Wish)
    assert isinstance(found, Unreadable)
    assert why in found.why


@pytest.mark.parametrize("text", ['{"action": "go", "wid', "", "def build_model("])
@pytest.mark.parametrize("reply", [Wish, str])
def test_an_answer_that_was_cut_off_is_told_so(text, reply):
    found = parse(text, "length", reply)
    assert isinstance(found, Unreadable)
    assert "cut off" in found.why


def test_an_object_that_is_complete_counts_even_where_the_rest_was_cut_off():
    assert parse(f"{GOOD} and furthermo", "length", Wish) == WISH


@pytest.mark.parametrize("text", ["import torch\n", "```python\nx = {1: 2,}\n```", " {} "])
def test_a_text_answer_comes_as_it_is(text):
    assert parse(text, "stop", str) == text


def test_halves_of_characters_become_something_that_can_be_written():
    assert readable("a\ud800b\udfff") == "a\ufffdb\ufffd"
    found = parse('{"action": "go", "width": 3, "note": "x\\ud800y"}', "stop", Wish)
    assert isinstance(found, Unreadable)
    assert "half a character" in found.why
    whole = parse('{"action": "go", "width": 3, "note": "\\ud83d\\ude00"}', "stop", Wish)
    assert whole == Wish(action="go", width=3, note="\N{GRINNING FACE}")


def test_a_type_that_cannot_be_asked_for_is_our_mistake():
    with pytest.raises(TypeError):
        parse("1", "stop", int)


class Nested(BaseModel):
    layers: list[dict[str, int]]


def test_several_trailing_commas_are_looked_past():
    assert parse('{"layers": [{"a": 1,}, {"b": 2},],}', "stop", Nested) == Nested(layers=[{"a": 1}, {"b": 2}])
