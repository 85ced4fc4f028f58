"""What a person sees while research runs, and the summary when it is over. All of it goes to the stream given: stderr.

``LiveProgress`` for a terminal, ``PlainProgress`` for logs and CI (one line an event, no control characters, no
colour). Every text that came from a plan, a room or a data file passes ``fumehood.text.plain``. Colour never carries
meaning alone, and rich leaves it out where NO_COLOR is set. rich is imported when a terminal is first drawn on.
"""

import os
import shlex
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TextIO

from fumehood.progress import Progress, Role, RoomState
from fumehood.records import Iteration, Plan, Run, Verdict
from fumehood.report import spending, tables, words, worth
from fumehood.report.conclusion import conclusion
from fumehood.text import plain

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.table import Table

_ABOVE_TABLE = 9
"""Lines of a terminal that the live table leaves to everything else."""


def progress_for(stream: TextIO, *, json: bool, verbose: bool) -> Progress:
    """The watcher for ``stream``: live on a terminal, unless the outcome is for a program; else plain lines."""
    return LiveProgress(stream) if _can_redraw(stream) and not json else PlainProgress(stream, verbose=verbose)


def print_summary(run: Run, directory: Path, stream: TextIO) -> None:
    """The table of iterations, the verdict in one sentence, how far it carries, and where the report lies."""
    from rich.text import Text

    console = _console(stream)
    if run.iterations:
        console.print(_table(run, tables.iterations(run)))
        console.print()
    found = conclusion(run)
    console.print(Text(plain(found.headline, 80), style="bold") + Text(f": {plain(found.sentence)}", style="not bold"))
    if beside := worth.line(run):
        console.print(Text(plain(beside)))
    for note in found.notes:
        console.print(Text(plain(note), style="dim"))
    if asked := spending.line(run):
        console.print(Text(asked, style="dim"))
    console.print()
    console.print(Text(f"Report: {plain(_shown(directory / 'reports' / 'report.html'))}"), soft_wrap=True)


class PlainProgress:
    """One line an event. ``verbose`` adds rooms and what the planner thought."""

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        self._stream = stream
        self._verbose = verbose
        self._lock = threading.Lock()
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def stage(self, text: str) -> None:
        self._say(text)

    def note(self, text: str) -> None:
        self._say(f"Note: {text}")

    def run_started(self, run: Run) -> None:
        self._say(_opening_line(run))

    def iteration_started(self, number: int, plan: Plan) -> None:
        self._say(f"Iteration {number}: {plan.title} ({plan.family})")
        if self._verbose:
            self._say(f"Iteration {number}: {plan.rationale}")

    def room(self, number: int, role: Role, state: RoomState) -> None:
        if self._verbose:
            self._say(_room_line(number, role, state))

    def iteration_done(self, iteration: Iteration) -> None:
        row = tables.iteration_row(iteration)
        metric = f"{words.label(iteration.score.metric)} " if iteration.score else ""
        self._say(f"Iteration {row.number}: {row.decision}, {metric}{_estimate(row)}. {row.reason}")

    def abandoned(self, numbers: Sequence[int]) -> None:
        self._say(words.given_up(numbers))

    def sealed(self, run: Run) -> None:
        if run.final is not None:
            self._say(f"The seal was opened, for iteration {run.final.iteration}")

    def finished(self, run: Run, directory: Path) -> None:
        with self._lock:
            print_summary(run, directory, self._stream)

    def _say(self, text: str) -> None:
        elapsed = round(time.monotonic() - self._started)
        line = f"[{elapsed // 3600:d}:{elapsed // 60 % 60:02d}:{elapsed % 60:02d}] {plain(text, 1000)}\n"
        with self._lock:
            self._stream.write(line)
            self._stream.flush()


class LiveProgress:
    """A table that grows and a line that says what goes on; both vanish when the summary is printed in their place."""

    def __init__(self, stream: TextIO) -> None:
        from rich.live import Live
        from rich.spinner import Spinner

        self._stream = stream
        self._console = _console(stream)
        self._lock = threading.Lock()
        self._run: Run | None = None
        self._rows: list[tables.IterationRow] = []
        self._running: dict[int, str] = {}
        """Number and title of every iteration under way."""
        self._rooms: dict[tuple[int, Role], RoomState] = {}
        self._stage = "Starting"
        self._since = self._started = time.monotonic()
        self._spinner = Spinner("dots")
        self._live = Live(
            console=self._console, get_renderable=self._picture, refresh_per_second=8, transient=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        if error is not None and self._run is not None and self._rows:
            self._console.print(_table(self._run, self._rows))

    def stage(self, text: str) -> None:
        with self._lock:
            self._stage = plain(text, 200)
            self._since = time.monotonic()

    def note(self, text: str) -> None:
        from rich.text import Text

        self._console.print(Text(f"Note: {plain(text)}"))

    def run_started(self, run: Run) -> None:
        from rich.text import Text

        self._console.print(Text(plain(_opening_line(run), 1000)))
        with self._lock:
            self._run = run
            self._rows = list(tables.iterations(run))

    def iteration_started(self, number: int, plan: Plan) -> None:
        with self._lock:
            self._running[number] = plan.title
            self._forget_rooms(number)
        self.stage(self._doing())

    def room(self, number: int, role: Role, state: RoomState) -> None:
        with self._lock:
            self._rooms[number, role] = state

    def iteration_done(self, iteration: Iteration) -> None:
        kept = iteration.decision.verdict is Verdict.KEEP
        with self._lock:
            earlier = [replace(row, leads=False) for row in self._rows] if kept else self._rows
            self._rows = [*earlier, tables.iteration_row(iteration, leads=kept)]
            self._running.pop(iteration.number, None)
            self._forget_rooms(iteration.number)
        self.stage(self._doing())

    def abandoned(self, numbers: Sequence[int]) -> None:
        with self._lock:
            self._running.clear()
            self._rooms.clear()
        self.note(words.given_up(numbers))

    def sealed(self, run: Run) -> None:
        with self._lock:
            self._run = run
        self.stage("The sealed test set is open; writing reports")

    def finished(self, run: Run, directory: Path) -> None:
        self._live.stop()
        print_summary(run, directory, self._stream)

    def _picture(self) -> "Group":
        """What the terminal shows at this moment; called by rich's own thread."""
        from rich.console import Group
        from rich.text import Text

        with self._lock:
            self._spinner.update(text=Text(self._line()))
            if self._run is None or not self._rows:
                return Group(self._spinner)
            room = max(self._console.size.height - _ABOVE_TABLE, 3)
            return Group(_table(self._run, self._rows, last=room), Text(), self._spinner)

    def _forget_rooms(self, number: int) -> None:
        for key in [key for key in self._rooms if key[0] == number]:
            del self._rooms[key]

    def _doing(self) -> str:
        """One iteration by its title; of several, what their rooms do is what tells them apart."""
        if len(self._running) > 1:
            return f"{len(self._running)} iterations"
        return next((f"Iteration {number}: {title}" for number, title in self._running.items()), "Planning")

    def _line(self) -> str:
        now = time.monotonic()
        several = len(self._running) > 1
        rooms = ", ".join(
            f"{number}: {role} {state}" if several else f"{role} room {state}"
            for (number, role), state in sorted(self._rooms.items())
            if state != "done"
        )
        busy = f" · {rooms}" if rooms else ""
        return (
            f"{self._stage}{busy} · {words.duration(now - self._since)} (in all {words.duration(now - self._started)})"
        )


def _can_redraw(stream: TextIO) -> bool:
    encoding = (getattr(stream, "encoding", None) or "").lower().replace("-", "")
    return stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb") and encoding.startswith("utf")


def _console(stream: TextIO) -> "Console":
    from rich.console import Console

    return Console(file=stream, highlight=False, markup=False, emoji=False)


def _table(run: Run, rows: Sequence[tables.IterationRow], last: int = 0) -> "Table":
    """The iterations that are given, or the ``last`` of them; one line each: where it is narrow, titles are cut."""
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    hidden = max(len(rows) - last, 0) if last else 0
    shown = [_cells(row, "winner" if run.final else "leads") for row in rows[hidden:]]
    heads = ("No.", "Candidate", plain(words.label(run.settings.goal.metric), 24), "Seeds", "Decision")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    for index, head in enumerate(heads):
        widest = max(cell_len(cells[index]) for cells in (heads, *shown))
        justify: Literal["left", "right"] = "right" if head in ("No.", "Seeds") else "left"
        cut = head == "Candidate"
        # Where space is short, rich takes it from the columns that may wrap; the cells' own no_wrap then cuts instead.
        table.add_column(Text(head), justify=justify, no_wrap=not cut, min_width=min(widest, 10) if cut else widest)
    if hidden:
        table.add_row("…", Text(f"{hidden} earlier", style="dim"), "", "", "")
    for row, cells in zip(rows[hidden:], shown, strict=True):
        table.add_row(*(Text(cell, style=_style(row), no_wrap=True, overflow="ellipsis") for cell in cells))
    return table


def _cells(row: tables.IterationRow, leader: str) -> tuple[str, ...]:
    decision = f"{row.decision}, {leader}" if row.leads else row.decision
    if row.leads and row.decision == tables.DECISIONS["discard"]:
        decision = f"{leader} on fresh seeds"
    return str(row.number), plain(row.title, 100), _estimate(row), row.seeds, decision


def _estimate(row: tables.IterationRow) -> str:
    return row.failed if row.measured is None else words.estimate(row.measured)


def _style(row: tables.IterationRow) -> str:
    return "bold" if row.leads else "" if row.decision == "kept" else "dim"


def _opening_line(run: Run) -> str:
    asked = run.settings
    again = f", {words.counted(len(run.iterations), 'iteration')} done before" if run.iterations else ""
    planned = words.counted(asked.max_iterations, "iteration")
    gpus = f" · {words.counted(len(asked.gpus), 'GPU')}" if asked.gpus else ""
    said = f"{asked.goal.text} · data {asked.data} · policy {asked.policy}{gpus} · up to {planned}{again}"
    return f"{said} · understood as {words.understood(asked.goal, asked.draft)}"


def _room_line(number: int, role: Role, state: RoomState) -> str:
    return f"Iteration {number}: {role} room {state}" if number else f"{role} room {state}".capitalize()


def _shown(path: Path) -> str:
    """The path as short as it can be said from here, quoted where a shell would need it."""
    return shlex.quote(os.path.relpath(path)) if _is_below(path) else shlex.quote(str(path))


def _is_below(path: Path) -> bool:
    return path.absolute().is_relative_to(Path.cwd())
