"""A source that carries much besides code is flagged, wherever it carries it, and an ordinary one is not."""

import pytest

from check import examples
from fumehood.literals import LARGE_BYTES, flags

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("source", [examples.LINEAR, examples.SYNTAX, examples.ENDLESS, "", "x = 1\n" * 500])
def test_ordinary_sources_are_not_flagged(source: str) -> None:
    assert flags(source) == ()


@pytest.mark.parametrize(
    "carried",
    [
        f"TABLE = {'ab' * LARGE_BYTES!r}",
        f"TABLE = {b'ab' * LARGE_BYTES!r}",
        f"TABLE = {dict.fromkeys(range(10**5, 10**5 + 2000), 7)}",
        f"TABLE = {list(range(5000))}",
        f'"""{"ab" * LARGE_BYTES}"""',
        f"# {'ab' * LARGE_BYTES}",
        "\n".join(f"# {k:064x}" for k in range(200)),
        f"TABLE = ({'1' * 10 * 1024}",
        f"TABLE = '{'ab' * LARGE_BYTES}",
    ],
    ids=["text", "bytes", "dict", "list", "docstring", "comment", "comments", "unclosed", "unclosed text"],
)
def test_what_could_be_a_table_is_flagged(carried: str) -> None:
    (flag,) = flags(f"import torch\n{carried}\n")
    assert flag.kind == "large_literals"
    assert flag.line is not None
    assert flag.line >= 2


def test_deep_nesting_is_only_read() -> None:
    (flag,) = flags("x = " + "(" * 50_000 + "1" * 10_000)
    assert flag.line == 1
