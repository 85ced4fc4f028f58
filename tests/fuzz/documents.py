"""Strategies for JSON that is almost, or not at all, what a message should be; as text, since much of it is no JSON."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

_HOLE = "@hole@"
_FILL = 4 * 1024 * 1024
ODD_VALUES = (
    "null", "true", "-1", "0", "1", "1.0", "-0", "01", "1e999", "-1e999", "1e-999", "NaN", "Infinity", "-Infinity",
    "9007199254740993", "9" * 400, "9" * 5000, "1" + "0" * 20_000, '""', '"a"', '"\\ud800"', '"\\udc00\\ud800"',
    '"\\u0000"', '"\u202e"', '"\x00"', '"\x1b[31m"', '"\\x41"', '"', '"\\', "[]", "{}", "[[]]", '{"":{}}', "[", "]",
    "{", "}", ",", ":", "", "[1,]", '{"a":1,}', "'a'", "// c\n1", "\ufeff1", '{"a":1,"a":1}', '{"a":1,"\\u0061":1}',
    "[" * 17 + "]" * 17, "[" * 5000 + "]" * 5000, '{"":' * 40 + "0" + "}" * 40, '"' + "x" * 5000 + '"', '"\ud83d"',
    '"' + '\\"' * 20_000, "1" * 200_000, '"' + "\U0001f600" * 20_000 + '"',
)  # fmt: skip
ITEMS = (
    "[]", "{}", "0", "1.5", "1e1", "null", '""', '"ab"', '"\U0001f600abcdefgh"', '{"a":0}', "[[[[]]]]",
    '{"":{"":{"":{}}}}', '{"kind":"number"}', '{"index":0}', '{"index":0,"x":1,"y":2}', '{"index":-1}', "[0,0]",
    '{"kind":"number","name":"a","fill":0.5,"mean":0.5,"std":0.5,"indicator":true}', '{"\U0001f600":"\U0001f600a"}',
    '{"kind":"category","name":"\U0001f600","values":["a","b"]}', '{"path":"/","fstype":"x","options":["rw"]}',
    '{"name":"0","type":"t","output_shape":"s","parameters":1,"bytes":1}', '{"dtype":"float32","shape":[1]}',
    '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}', '"\\u0041\\n"',
)  # fmt: skip


def _counts() -> st.SearchStrategy[int]:
    """Mostly a few, at times as many as there is room for."""
    few, some, most = st.integers(0, 5), st.integers(6, 3000), st.sampled_from([20_000, 39_999, 74_000, 150_000, 10**7])
    return st.one_of(few, few, few, few, some, some, most)


@st.composite
def _arrays(draw: st.DrawFn) -> str:
    item = draw(st.sampled_from(ITEMS))
    number = min(draw(_counts()), (_FILL - 4096) // (len(item.encode()) + 1))
    return "[" + ",".join([item] * number) + "]"


@st.composite
def _objects(draw: st.DrawFn, names: Sequence[str]) -> str:
    """Keys by number or, with duplicates, by name."""
    if draw(st.booleans()):
        keys = draw(st.lists(st.sampled_from(names), max_size=12))
        return "{" + ",".join(f"{json.dumps(key)}:{draw(st.sampled_from(ITEMS))}" for key in keys) + "}"
    value = draw(st.sampled_from(ITEMS))
    number = min(draw(_counts()), _FILL // (len(value.encode()) + 10))
    return "{" + ",".join(f'"{k:x}":{value}' for k in range(number)) + "}"


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from _places(child, (*path, key))


def _with_hole(value: Any, path: tuple[Any, ...]) -> Any:
    if not path:
        return _HOLE
    changed: Any = dict(value) if isinstance(value, dict) else list(value)
    changed[path[0]] = _with_hole(value[path[0]], path[1:])
    return changed


@st.composite
def _kindred(draw: st.DrawFn, value: Any) -> str:
    """Another value of the same type: what may well be taken."""
    if isinstance(value, list):
        number = min(draw(_counts()), _FILL // (len(json.dumps(value)) + 2))
        return json.dumps((value or [0]) * number)
    if isinstance(value, bool | None):
        return draw(st.sampled_from(["true", "false", "null"]))
    numbers = st.integers(0, 2**54) if isinstance(value, int) else st.floats(0, allow_nan=False, allow_infinity=False)
    return json.dumps(value if isinstance(value, dict) else draw(st.text() if isinstance(value, str) else numbers))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    return _at(value[path[0]], path[1:]) if path else value


def _places_in(text: str) -> list[tuple[Any, ...]]:
    """None where the text is no JSON any more, or too much of it."""
    try:
        return list(_places(json.loads(text))) if len(text) < 100_000 else []
    except (ValueError, RecursionError):
        return []


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[Any]) -> bytes:
    """A good document of which up to four values are replaced by others, or get more keys and items beside them."""
    document = draw(st.sampled_from(seeds))
    names = sorted({str(key) for seed in seeds for path in _places(seed) for key in path} | {"__metadata__", "x" * 300})
    odd = st.one_of(st.sampled_from(ODD_VALUES), st.sampled_from(ITEMS), _arrays(), _objects(names))
    text = json.dumps(document, ensure_ascii=draw(st.booleans()))
    for strange in draw(st.lists(st.sampled_from([True, False, False, False]), max_size=4)):
        if not (places := _places_in(text)):
            break
        path = draw(st.sampled_from(places))
        before, _, after = json.dumps(_with_hole(json.loads(text), path)).partition(f'"{_HOLE}"')
        beside = draw(st.sampled_from(["", "", "", '{},"x":1', '{},"job":"train"', "{},{}", '"", "{}": 0']))
        text = before + ((beside or draw(odd)) if strange else draw(_kindred(_at(json.loads(text), path)))) + after
    return text.encode("utf-8", "surrogatepass")[: _FILL + 1]


def damaged(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Good bytes, cut, spliced and overwritten."""
    return st.builds(_damage, st.sampled_from(seeds), st.lists(_EDITS, max_size=6))


_PIECES = st.binary(max_size=12) | st.sampled_from(
    [b"\0" * 512, b"\xff", b'"', b"\\", b"NaN", b"e999", b"[" * 40, b",,"]
)
_EDITS = st.tuples(st.integers(0, 2**16), st.integers(0, 40), _PIECES, st.integers(1, 3))


def _damage(raw: bytes, edits: list[tuple[int, int, bytes, int]]) -> bytes:
    for position, gone, piece, times in edits:
        at = position % (len(raw) + 1)
        raw = raw[:at] + piece * times + raw[at + gone :]
    return raw
