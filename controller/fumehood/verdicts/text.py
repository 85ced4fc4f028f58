"""The verdict for people: verdict and score first, then seeds, reasons, facts, and claims as what they are.

Every text that came from a room, a data file or the user passes ``fumehood.text.plain``. Colour never carries meaning
alone, and rich leaves it out where the stream is no terminal or NO_COLOR is set.
"""

import io
from collections.abc import Iterator, Sequence
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fumehood.literals import Flag
from fumehood.records import Score, SeedResult
from fumehood.report import tables, words
from fumehood.text import plain
from fumehood.verdicts.checked import Checked, CheckVerdict, Rejection

HEADLINES = {
    CheckVerdict.PASSED: "Passed",
    CheckVerdict.BELOW_MINIMUM: "Below the minimum",
    CheckVerdict.CANDIDATE_FAILED: "The candidate failed",
    CheckVerdict.POLICY_VIOLATION: "The candidate broke the rules",
    CheckVerdict.BUDGET: "Out of budget",
    CheckVerdict.ENGINE: "Not checked",
}
_WIDTH = 110
"""Where the stream is no terminal."""
_Row = tuple[str, str]


def write(found: Checked, stream: TextIO) -> None:
    if stream.isatty():
        _print(found, Console(file=stream, highlight=False, markup=False, emoji=False))
        return
    page = io.StringIO()
    _print(found, Console(file=page, width=_WIDTH, highlight=False, markup=False, emoji=False))
    stream.writelines(f"{line.rstrip()}\n" for line in page.getvalue().splitlines())


def _print(found: Checked, console: Console) -> None:
    style = "bold green" if found.verdict is CheckVerdict.PASSED else "bold red"
    console.print(Text(headline(found), style=style), soft_wrap=True)
    for line in _lines(found):
        console.print(Text(line))
    if found.envelope:
        console.print()
        console.print(_seeds(found, found.envelope.seeds))
    _section(console, "Rejections", [_rejection(one, found) for one in found.rejections])
    _section(console, "Flags, for a person to look at", [_flag(one, found) for one in found.flags])
    _section(console, "Facts, seen from outside the rooms", list(_facts(found)))
    _section(console, "Claims, the candidate's own story", list(_claims(found)))


def headline(found: Checked) -> str:
    """Verdict, file, and score or first reason, on one line."""
    start = f"{HEADLINES[found.verdict]}: {plain(found.candidate.path, 200)}"
    if found.score:
        return f"{start}, {words.label(found.score.metric)} {words.estimate(found.score.primary)}"
    why = found.rejections[0] if found.rejections else None
    return f"{start}, {words.label(why.kind)}: {plain(why.reason, 300)}" if why else start


def _lines(found: Checked) -> Iterator[str]:
    """What to do, or what the score is made of and compared with."""
    if found.stopped and found.stopped.hint:
        yield f"what to do: {plain(found.stopped.hint)}"
    if found.score is None:
        return
    yield _made_of(found.score) + f"; baseline {words.number(found.score.baseline)}"
    interval, goal = found.score.primary.interval, found.goal
    if interval:
        yield f"{words.level(interval)} interval: {interval.method}"
    if goal and goal.target is not None:
        verb = "at least" if goal.direction == "max" else "at most"
        yield f"minimum: the confidence bound is to be {verb} {words.number(goal.target)}"
    if found.opening is not None:
        yield f"the seal on these test rows was opened for the {_ordinal(found.opening)} time by this user"


def _made_of(score: Score) -> str:
    good = score.n_seeds - score.failed_seeds
    failed = f", {score.failed_seeds} failed and counted as the baseline" if score.failed_seeds else ""
    return f"{good} of {words.counted(score.n_seeds, 'seed')}{failed}; {score.n_examples:,} {score.split} rows"


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _seeds(found: Checked, seeds: Sequence[SeedResult]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    metric = words.label(found.score.metric) if found.score else "score"
    for head in ("Seed", plain(metric, 24), "Parameters"):
        table.add_column(Text(head), justify="right")
    table.add_column(Text("Outcome"))
    values = found.score.primary.values if found.score else (None,) * len(seeds)
    for seed, value in zip(seeds, values, strict=True):
        outcome = f"failed: {words.label(seed.failure.kind)}" if seed.failure else "ok"
        table.add_row(str(seed.seed), words.number(value), words.count(seed.parameters), outcome)
    return table


def _rejection(one: Rejection, found: Checked) -> _Row:
    where = f"{plain(found.candidate.path, 200)}:{one.line}: " if one.line else ""
    who = f" ({words.counted(len(one.seeds), 'seed')})" if one.seeds else ""
    return words.label(one.kind), f"{where}{plain(one.reason)}{who}"


def _flag(one: Flag, found: Checked) -> _Row:
    where = f"{plain(found.candidate.path, 200)}:{one.line}: " if one.line else ""
    return words.label(one.kind), f"{where}{one.reason}"


def _facts(found: Checked) -> Iterator[_Row]:
    candidate, data = found.candidate, found.dataset
    yield "candidate", f"{words.size(len(candidate.content))}, sha256 {candidate.digest}"
    if data:
        rows = ", ".join(f"{data.rows(split):,} {split}" for split in ("train", "validation", "test"))
        yield "data", f"{plain(data.spec, 200)}, {data.task.value}; rows: {rows}"
    rooms = "every seed in rooms of its own" if found.isolated else "seeds share a room"
    yield "policy", f"{plain(found.policy, 60)}; {rooms}"
    if found.image:
        yield "image", plain(found.image.tag, 100)
    for row in tables.room_rows(found.rooms):
        yield f"{row.role} rooms", _room_row(row)
    yield "whole check", words.duration(found.wall_s)


def _room_row(row: tables.RoleRow) -> str:
    peak = f", peak memory {words.size(row.peak_memory_bytes)}" if row.peak_memory_bytes else ""
    killed = f", {row.oom_killed} out of memory" if row.oom_killed else ""
    return f"{row.rooms}; work {words.duration(row.wall_s)}, ready in {words.duration(row.ready_s)}{peak}{killed}"


def _claims(found: Checked) -> Iterator[_Row]:
    for seed in found.envelope.seeds if found.envelope else ():
        told = seed.train_claims
        if told is None or told.failure is not None:
            continue
        loss = f", last loss {words.number(told.train_loss[-1])}" if told.train_loss else ""
        how = "own training loop" if told.own_train else words.counted(told.epochs, "epoch")
        ran = ", with the other seeds as one" if told.seeds_ran == "together" else ""
        why = f", alone because {plain(told.alone_because, 100)}" if told.alone_because else ""
        yield f"seed {seed.seed}", f"{how}{loss}, trained {words.duration(told.train_s)}{ran}{why}"
    log = found.envelope.log_tail if found.envelope else ""
    if log.strip():
        yield "log ends", plain(log, 300)


def _section(console: Console, title: str, rows: Sequence[_Row]) -> None:
    """A title and aligned rows, or nothing where there is none."""
    if not rows:
        return
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, content in rows:
        table.add_row(Text(f"  {name}"), Text(content))
    console.print()
    console.print(Text(title, style="bold"))
    console.print(table)
