"""Prompts from templates in which nothing foreign gets through unquoted: every expression passes ``fumehood.text``.

What a template writes is ours. An expression becomes words within a line (``text.prompt_line``), unless a filter makes
something else of it: ``quoted(what, limit)`` a quotation of untrusted data, ``source(limit)`` the source of a
candidate, ``lines(begin)`` several lines, each as words with their indentation, behind ``begin``. No I/O but reading
templates that ship with the package.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fumehood import text

LINE = 10_000
"""Characters of one line, at most."""


def fill(package: str, template: str, **values: Any) -> str:
    """The text of a template in the folder ``templates`` of ``package``."""
    return _environment(package).get_template(template).render(**values).strip() + "\n"


@cache
def _environment(package: str) -> Environment:
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,  # leaves alone what is Markup, which ``finalize`` makes of everything
        finalize=_words,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(quoted=_quoted, source=_source, lines=_lines)
    return environment


def _words(value: Any) -> Markup:
    return value if isinstance(value, Markup) else Markup(text.prompt_line(str(value), LINE))  # noqa: S704 - escaped


def _quoted(value: str, what: str, limit: int = 4000) -> Markup:
    return Markup(text.prompt_data(value, what, limit))  # noqa: S704 - just quoted


def _source(value: str, limit: int = 30_000) -> Markup:
    return Markup(text.prompt_source(value, limit))  # noqa: S704 - just quoted


def _lines(value: Iterable[str], begin: str = "") -> Markup:
    """Foreign lines need a ``begin``, such as "> ", so that none looks like the turn of somebody else."""
    return Markup("\n".join(f"{begin}{_indentation(line)}{text.prompt_line(line, LINE)}" for line in value))  # noqa: S704 - each line escaped


def _indentation(line: str) -> str:
    return " " * min(len(line) - len(line.lstrip(" ")), 40)
