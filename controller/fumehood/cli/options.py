"""Options that several commands share."""

from pathlib import Path
from typing import Any, Literal

import click

AS_JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on stdout, and nothing else there."
)
VERBOSE = click.option("--verbose", is_flag=True, help="Say more, and show tracebacks.")
POLICY = click.option(
    "--policy",
    default="standard",
    show_default=True,
    metavar="NAME|FILE",
    help="Limits of the rooms (fumehood policy list).",
)
GPUS = click.option(
    "--gpus",
    metavar="none|auto|N|UUID,...",
    help="GPUs of the rooms; auto is all there are, and at least one.  [default: as the policy says]",
)
SUBSET = click.option(
    "--subset",
    type=click.IntRange(min=10),
    metavar="N",
    help="Only N rows of the data set, each class in its proportion.  [default: all]",
)
SPLITS = click.option(
    "--splits",
    default="holdout",
    show_default=True,
    metavar="holdout|kfold:K",
    help="Validate on one part of the rows that are not for test, or on each of K parts in turn (for small data).",
)
CONFIDENCE = click.option(
    "--confidence-level",
    type=click.FloatRange(0.5, 1.0, max_open=True),
    default=0.95,
    show_default=True,
    help="Of every interval, and of what is claimed.",
)
MEMORY_DB = click.option(
    "--memory-db",
    metavar="URL|FILE",
    help="Database of the memory: sqlite, postgresql or mysql.  [default: MEMORI_DATABASE__CONNECTION_STRING, else a"
    " file in the user's data directory]",
)
MEMORY_NAMESPACE = click.option(
    "--memory-namespace",
    default="default",
    show_default=True,
    metavar="NAME",
    help="Part of the memory; what is in another is neither seen nor changed.",
)
MEMORY = click.option(
    "--memory/--no-memory",
    "memory",
    default=None,
    help="Look into what earlier runs found out, and add to it.  [default: yes, or what $FUMEHOOD_MEMORY says]",
)
RUN_DIR = click.argument("directory", type=click.Path(path_type=Path))


class Positive(click.ParamType[float]):
    """A number above zero; for budgets and times."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError):
            self.fail(f"{value!r} is not a number", param, ctx)
        if not 0 < number < float("inf"):
            self.fail(f"{value} is not above zero", param, ctx)
        return number


class Count(click.ParamType[int | Literal["auto"]]):
    """``auto``, or how many: 1 to 64."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | Literal["auto"]:
        return "auto" if value == "auto" else click.IntRange(1, 64).convert(value, param, ctx)
