"""The findings of the attack suite as tables for a terminal."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from fumehood.text import plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from fumehood.attacks.attack import Finding
    from fumehood.attacks.suite import Control

_PIPED_WIDTH: Final = 160
_QUESTIONS: Final = {
    "see": "What can it see?",
    "out": "Can it get out or up?",
    "exhaust": "Can it exhaust the host?",
    "reader": "Can it hurt the reader of its output?",
    "forge": "Can it forge its score?",
}


def show(rows: Sequence["Finding"], controls: Sequence["Control"]) -> None:
    """Print one table a group, those of ``controls`` if there are any, and one line that sums up."""
    console = _console()
    for group, question in _QUESTIONS.items():
        if members := [row for row in rows if row.group.value == group]:
            console.print(_attacks(question, members))
    if controls:
        console.print(_controls(controls))
    console.print(summary(rows, controls))


def summary(rows: Sequence["Finding"], controls: Sequence["Control"]) -> str:
    """What all of it comes to, in one line."""
    failed = [row.name for row in rows if not row.passed]
    unproven = [control.name for control in controls if not (control.proven or control.absent)]
    said = [f"{len(rows)} attacks, all of which failed as they must."]
    if failed:
        said = [f"{len(failed)} of {len(rows)} attacks succeeded, or could not be judged: {', '.join(failed)}."]
    if unproven:
        said.append(f"Controls that show nothing: {', '.join(unproven)}.")
    return " ".join(said)


def _console() -> "Console":
    from rich.console import Console

    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False, width=width)


def _attacks(question: str, rows: Sequence["Finding"]) -> "Table":
    from rich.text import Text

    table = _table(question, ("attack", "expected", "seen", "verdict"))
    for row in rows:
        verdict = Text("ok", "green") if row.passed else Text("FAILED", "bold red")
        table.add_row(Text(plain(row.name, 60)), Text(plain(row.expected, 200)), Text(plain(row.seen, 600)), verdict)
    return table


def _controls(controls: Sequence["Control"]) -> "Table":
    from rich.text import Text

    table = _table("Controls: the same programs without the wall", ("attack", "taken away", "seen", "verdict"))
    for one in controls:
        verdict = Text("shown", "green") if one.proven else Text("absent", "dim") if one.absent else Text("NOT SHOWN")
        table.add_row(Text(one.name), Text(plain(one.relaxed, 200)), Text(plain(one.seen, 600)), verdict)
    return table


def _table(title: str, heads: Sequence[str]) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold", no_wrap=head in ("attack", "verdict"))
    return table
