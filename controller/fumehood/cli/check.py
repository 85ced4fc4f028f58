"""``fumehood check``: one candidate file, tried in rooms, with a verdict for people or for CI."""

import io
import os
import signal
import sys
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fumehood.cli.options import CONFIDENCE, GPUS, SPLITS, SUBSET, VERBOSE, Positive
from fumehood.errors import UsageError

if TYPE_CHECKING:
    from fumehood.verdicts import FormatName
    from fumehood.verdicts.checked import Checked

FORMATS = ("text", "json", "junit", "sarif")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--data", "data_spec", required=True, metavar="SPEC", help="Data set (fumehood data list).")
@click.option(
    "--num-seeds", type=click.IntRange(1, 64), default=3, show_default=True, help="Repetitions of the candidate."
)
@click.option(
    "--policy",
    default="ci",
    show_default=True,
    metavar="NAME|FILE",
    help="Limits of the rooms (fumehood policy list).",
)
@click.option(
    "--min-score",
    type=float,
    metavar="X",
    help="Pass only if the confidence bound of the score, not just its mean, reaches X. 0.95 and 95 are the same "
    "accuracy; for errors and losses it is the most allowed.",
)
@click.option("--metric", metavar="NAME", help="Metric to judge by.  [default: accuracy, or r2]")
@click.option(
    "--final",
    is_flag=True,
    help="Score on the sealed test rows, not on validation; openings are numbered, since looking wears them out.",
)
@click.option("--seed", type=click.IntRange(0, 2**31), default=0, show_default=True, help="Drives the candidate.")
@click.option("--split-seed", type=click.IntRange(0, 2**31), default=0, show_default=True, help="Drives the split.")
@SPLITS
@SUBSET
@CONFIDENCE
@GPUS
@click.option("--timeout", type=Positive(), metavar="SECONDS", help="Wall time of training, if below the policy's.")
@click.option(
    "--budget-minutes",
    type=Positive(),
    metavar="M",
    help="Stop training when the check took that long, and exit with 5.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMATS),
    help="How the verdict is written.  [default: text]",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where the verdict is written.  [default: stdout]",
)
@click.option(
    "--workdir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep data, weights and predictions in DIR, absent or empty.  [default: keep nothing]",
)
@VERBOSE
def check(
    file: Path,
    data_spec: str,
    num_seeds: int,
    policy: str,
    min_score: float | None,
    metric: str | None,
    final: bool,
    seed: int,
    split_seed: int,
    splits: str,
    subset: int | None,
    confidence_level: float,
    gpus: str | None,
    timeout: float | None,
    budget_minutes: float | None,
    format_name: "FormatName | None",
    as_json: bool,
    output: Path | None,
    workdir: Path | None,
    verbose: bool,
) -> int:
    """Try one candidate FILE in sealed rooms and say whether it passes.

    \b
    Exit codes: 0 passed; 1 below --min-score; 2 FILE, data or options cannot
    be used; 3 the candidate failed; 4 hostile output; 5 out of budget;
    6 no engine, or one that cannot enforce the policy.
    """
    from fumehood import candidate
    from fumehood import check as checks
    from fumehood.cli.outcome import watcher

    name = _format(format_name, as_json=as_json)
    if min_score is not None and not isfinite(min_score):
        raise UsageError(f"{min_score} is no minimum score", "give a finite number")
    _expect_unicode({"data specification": data_spec, "name of the policy": policy, "name of the metric": metric})
    _expect_writable(output)
    asked = checks.CheckSettings(
        data=data_spec,
        policy=policy,
        metric=metric,
        minimum=min_score,
        num_seeds=num_seeds,
        seed=seed,
        split_seed=split_seed,
        splits=splits,
        subset=subset,
        confidence_level=confidence_level,
        gpus=gpus,
        timeout_s=timeout,
        budget_minutes=budget_minutes,
        final=final,
    )
    # A CI system cancels by SIGTERM: the private folder, with its labels, is to go as it does at Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for_program = name != "text" or output is not None
    found = checks.check(asked, candidate.read(file), workdir, watcher(as_json=for_program, verbose=verbose))
    _write(found, name, output)
    _tell(found, headline=for_program)
    return found.exit_code


def _format(name: "FormatName | None", *, as_json: bool) -> "FormatName":
    if as_json and name not in (None, "json"):
        raise UsageError(f"--json and --format {name} exclude each other", "give one of them")
    return "json" if as_json else name or "text"


def _expect_unicode(words: Mapping[str, str | None]) -> None:
    from fumehood import text

    for what, said in words.items():
        if said is not None and not text.is_unicode(said):
            raise UsageError(f"the {what} is not valid Unicode text", "set a UTF-8 locale, or write it in ASCII")


def _expect_writable(output: Path | None) -> None:
    """Told before the work and not after it."""
    if output is not None and not os.access(output if output.exists() else output.parent, os.W_OK):
        raise UsageError(f"--output {output} cannot be written", "name a file in a folder that is there and writable")


def _write(found: "Checked", name: "FormatName", output: Path | None) -> None:
    """The document, and nothing else, to its file or to stdout."""
    from fumehood.report.files import write_text
    from fumehood.verdicts import format_named

    if output is None:
        format_named(name).write(found, sys.stdout)
        sys.stdout.flush()
        return
    document = io.StringIO()
    format_named(name).write(found, document)
    write_text(output, document.getvalue())


def _tell(found: "Checked", *, headline: bool) -> None:
    """On stderr: what a person who does not read the document has to know."""
    from fumehood.cli import say
    from fumehood.errors import FumehoodError
    from fumehood.verdicts import text

    if found.stopped is not None:
        say(FumehoodError(found.stopped.message, found.stopped.hint))
    elif headline:
        click.echo(text.headline(found), err=True)
