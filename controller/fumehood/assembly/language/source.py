"""From what a language model wrote to the source of a candidate, or the reason why there is none in it. Pure.

A source is looked at as text and as a syntax tree, and never imported or run.
"""

import ast
import re
import textwrap
import warnings
from collections.abc import Iterator
from typing import Final

from fumehood_shared import caps

_FENCE: Final = re.compile(r"^ {0,3}(?P<fence>`{3,}|~{3,})[^`\n]*$")


class NoSourceError(Exception):
    """Why an answer is not a candidate's source, in words for whoever gave it."""


def taken(reply: str) -> str:
    """The source in ``reply``: its largest fenced block, or all of it where there is no fence.

    Raises NoSourceError for what is empty, too large, no UTF-8, no Python, or defines no model.
    """
    blocks = list(_fenced(reply))
    source = textwrap.dedent(max(blocks, key=len) if blocks else reply).strip("\n") + "\n"
    if not source.strip():
        raise NoSourceError("There is no code in your answer.")
    try:
        size = len(source.encode())
    except UnicodeEncodeError:
        raise NoSourceError("The source is not valid UTF-8 text.") from None
    if size > caps.SOURCE_BYTES:
        raise NoSourceError(f"The source has {size:,} bytes; at most {caps.SOURCE_BYTES:,} are allowed.")
    _expect_a_model(_parsed(source))
    return source


def class_names(source: str) -> frozenset[str]:
    """Of the classes that a source, which was ``taken``, defines at its top level."""
    return frozenset(node.name for node in _parsed(source).body if isinstance(node, ast.ClassDef))


def _fenced(reply: str) -> Iterator[str]:
    """Every fenced block; one that is never closed ends with the text."""
    fence, block = "", list[str]()
    for line in reply.replace("\r\n", "\n").split("\n"):
        found = _FENCE.match(line.rstrip())
        if not fence and found:
            fence, block = found["fence"], []
        elif fence and found and found["fence"].startswith(fence) and line.strip() == found["fence"]:
            yield "\n".join(block)
            fence = ""
        elif fence:
            block.append(line)
    if fence:
        yield "\n".join(block)


def _parsed(source: str) -> ast.Module:
    try:
        with warnings.catch_warnings(action="ignore"):  # they show lines of the source on the terminal
            return ast.parse(source)
    except SyntaxError as error:
        raise NoSourceError(f"The source is not Python: {error.msg} in line {error.lineno}.") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise NoSourceError(f"The source cannot be parsed: {str(error) or 'it is nested too deep'}.") from None


def _expect_a_model(tree: ast.Module) -> None:
    """What the room will look for; a name that is made in other ways than by a definition is not seen here."""
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    if "build_model" in functions:
        return
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    models = _modules(classes)
    if not models:
        raise NoSourceError(
            "The source defines neither build_model(input_shape, num_outputs) nor a class derived from nn.Module."
        )
    named = {target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets
             if isinstance(target, ast.Name)}  # fmt: skip
    if len(models) > 1 and "MODEL" not in named:
        shown = ", ".join(models[:5]) + (" ..." if len(models) > 5 else "")
        raise NoSourceError(
            f"The source defines several models ({shown}) and does not say which is meant: "
            "define build_model(input_shape, num_outputs)."
        )


def _modules(classes: list[ast.ClassDef]) -> list[str]:
    """Names of the classes that derive from ``nn.Module``, or from something else of ``nn``, be it through others."""
    found: list[str] = []
    for node in classes:
        for base in node.bases:
            of_torch = isinstance(base, ast.Attribute) or (isinstance(base, ast.Name) and base.id == "Module")
            if of_torch or (isinstance(base, ast.Name) and base.id in found):
                found.append(node.name)
                break
    return found
