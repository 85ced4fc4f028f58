"""``fumehood memory``: what earlier runs found out, to look at, add to, delete, and carry to another machine."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fumehood.cli.options import AS_JSON, MEMORY_DB, MEMORY_NAMESPACE, VERBOSE

if TYPE_CHECKING:
    from fumehood.memory.store import MemoryStore
    from fumehood.records.insight import Insight, Recalled

KINDS = ("result", "pattern", "failure", "decision", "note")
SHORT_ID = 12
_F = TypeVar("_F", bound=Callable[..., Any])

KIND = click.option("--kind", type=click.Choice(KINDS), help="Only insights of this kind.")


@click.group()
def memory() -> None:
    """Look at what earlier runs found out, and change it."""


def _command(function: _F) -> _F:
    """The options that every command here takes."""
    for option in (AS_JSON, VERBOSE, MEMORY_NAMESPACE, MEMORY_DB):
        function = option(function)
    return function


@memory.command("list")
@KIND
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The newest N.  [default: all]")
@_command
def list_(
    kind: str | None,
    limit: int | None,
    memory_db: str | None,
    memory_namespace: str,
    verbose: bool,  # noqa: ARG001  # read by ``cli.main``, as in all commands here
    as_json: bool,
) -> None:
    """List insights, the newest first."""
    from fumehood.records.insight import Kind

    with _opened(memory_db, memory_namespace) as store:
        found = store.all(Kind(kind) if kind else None)[::-1][:limit]
        if as_json:
            _emit(store, insights=[one.model_dump(mode="json") for one in found])
            return
    _table(
        ("id", "kind", "importance", "when", "what"),
        [
            (one.id[:SHORT_ID], one.kind.value, f"{one.importance:.2f}", one.created_at[:10], _what(one))
            for one in found
        ],
        "No insight is stored here.",
    )


@memory.command()
@click.argument("words", nargs=-1, required=True)
@KIND
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True, metavar="N", help="At most N.")
@_command
def search(
    words: tuple[str, ...],
    kind: str | None,
    limit: int,
    memory_db: str | None,
    memory_namespace: str,
    verbose: bool,  # noqa: ARG001
    as_json: bool,
) -> None:
    """Find insights by words, the closest first, each with the reason for it."""
    from fumehood.records.insight import Kind

    with _opened(memory_db, memory_namespace) as store:
        found = store.search(" ".join(words), limit, frozenset({Kind(kind)}) if kind else None)
        if as_json:
            _emit(store, found=[one.model_dump(mode="json") for one in found])
            return
    _table(("id", "kind", "score", "why", "what"), [_found(one) for one in found], "Nothing fits these words.")


def _found(one: "Recalled") -> tuple[str, ...]:
    return (one.insight.id[:SHORT_ID], one.insight.kind.value, f"{one.score:.2f}", one.reason, _what(one.insight))


@memory.command()
@click.argument("identifier", metavar="ID")
@_command
def show(
    identifier: str,
    memory_db: str | None,
    memory_namespace: str,
    verbose: bool,  # noqa: ARG001
    as_json: bool,
) -> None:
    """Show one insight with all that it rests on. The beginning of its id is enough."""
    from fumehood import text

    with _opened(memory_db, memory_namespace) as store:
        found = store.get(identifier)
        if as_json:
            _emit(store, insight=found.model_dump(mode="json"))
            return
    for label, content in _lines(found):
        click.echo(f"{label:11} {text.plain(content, 1000)}")


def _lines(found: "Insight") -> Iterable[tuple[str, str]]:
    import json

    yield "id", found.id
    yield "kind", found.kind.value
    yield "what", found.text
    yield "importance", f"{found.importance:.2f}"
    yield "when", found.created_at
    yield "phase", found.phase.value
    if found.run_id:
        yield "run", found.run_id + (f", iteration {found.iteration}" if found.iteration else "")
    if found.data:
        shape = " x ".join(str(n) for n in found.data.input_shape)
        yield "data", f"{found.data.spec}: {found.data.input_kind} {found.data.task}, {found.data.rows} rows, {shape}"
    for one in found.evidence:
        interval = f" [{one.interval.low:.4g}, {one.interval.high:.4g}]" if one.interval else ""
        yield "evidence", f"{one.run_id}: {one.metric} {one.mean:.4g}{interval}, seeds: {one.n_seeds}"
    for name, value in found.details.items():
        yield name[:11], value if isinstance(value, str) else json.dumps(value)
    if found.demoted_by:
        yield "demoted by", found.demoted_by


@memory.command()
@click.argument("words", nargs=-1, required=True)
@click.option(
    "--importance", type=click.FloatRange(0, 1), default=0.5, show_default=True, metavar="X", help="From 0 to 1."
)
@click.option(
    "--phase",
    type=click.Choice(("planning", "architecture", "evaluation", "optimization")),
    default="planning",
    show_default=True,
    help="Where in research it helps.",
)
@_command
def add(
    words: tuple[str, ...],
    importance: float,
    phase: str,
    memory_db: str | None,
    memory_namespace: str,
    verbose: bool,  # noqa: ARG001
    as_json: bool,
) -> None:
    """Store a note of your own."""
    from fumehood.memory.context import ManualMemoryContextManager

    with ManualMemoryContextManager(memory_db, memory_namespace) as manager:
        identifier = manager.record_research_insight(" ".join(words), "note", importance, research_phase=phase)
    if as_json:
        from fumehood.cli import emit

        emit({"id": identifier, "namespace": memory_namespace})
        return
    click.echo(f"noted as {identifier[:SHORT_ID]}", err=True)


@memory.command()
@click.argument("identifiers", nargs=-1, metavar="[ID]...")
@KIND
@click.option("--run", metavar="RUN_ID", help="Only insights of this run.")
@click.option("--all", "everything", is_flag=True, help="All insights of the namespace.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_command
def forget(
    identifiers: tuple[str, ...],
    kind: str | None,
    run: str | None,
    everything: bool,
    yes: bool,
    memory_db: str | None,
    memory_namespace: str,
    verbose: bool,  # noqa: ARG001
    as_json: bool,
) -> None:
    """Delete insights for good: those named, of a kind, of a run, or all of them."""
    from fumehood.errors import UsageError
    from fumehood.records.insight import Kind

    if not (identifiers or kind or run or everything):
        raise UsageError("nothing was said about what to forget", "give ids, --kind, --run, or --all")
    if everything and (identifiers or kind or run):
        raise UsageError("--all goes with no other choice", "leave it out")
    if everything and not yes:
        _confirm(memory_namespace)
    with _opened(memory_db, memory_namespace) as store:
        ids = [store.get(one).id for one in identifiers] or None
        count = store.forget(ids, kind=Kind(kind) if kind else None, run=run, everything=everything)
        if as_json:
            _emit(store, forgotten=count)
            return
    click.echo(f"{_counted(count)} forgotten", err=True)


def _confirm(namespace: str) -> None:
    import sys

    from fumehood.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError(f"all of the memory's namespace {namespace} would be deleted", "say --yes to do it")
    click.confirm(f"Delete all insights of the namespace {namespace} for good?", abort=True, err=True)


FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@memory.command()
@FILE
@_command
def export(
    file: Path,
    memory_db: str | None,
    memory_namespace: str,
    verbose: bool,  # noqa: ARG001
    as_json: bool,
) -> None:
    """Write all insights to a new FILE, a line of JSON each, with where they come from."""
    with _opened(memory_db, memory_namespace) as store:
        count = store.export(file)
        if as_json:
            _emit(store, exported=count, file=str(file))
            return
    click.echo(f"{_counted(count)} written to {file}", err=True)


@memory.command("import")
@FILE
@_command
def import_(
    file: Path,
    memory_db: str | None,
    memory_namespace: str,
    verbose: bool,  # noqa: ARG001
    as_json: bool,
) -> None:
    """Take in the insights of FILE, as export or a run wrote it; what is there already is skipped."""
    with _opened(memory_db, memory_namespace) as store:
        done = store.import_(file)
        if as_json:
            _emit(store, read=done.read, new=done.new)
            return
    click.echo(f"{_counted(done.read)} read, {done.new} of them new", err=True)


@memory.command()
@_command
def stats(
    memory_db: str | None,
    memory_namespace: str,
    verbose: bool,  # noqa: ARG001
    as_json: bool,
) -> None:
    """Say where the memory lies and how much is in it."""
    with _opened(memory_db, memory_namespace) as store:
        found = store.stats()
        kinds = {kind.value: count for kind, count in found.kinds.items()}
        if as_json:
            _emit(store, **{**vars(found), "kinds": kinds})
            return
    rows = [
        ("database", found.address),
        ("namespace", found.namespace),
        ("insights", str(found.total)),
        *((kind, str(count)) for kind, count in kinds.items()),
        ("demoted", str(found.demoted)),
        ("runs", str(found.runs)),
        ("oldest", found.oldest or "-"),
        ("newest", found.newest or "-"),
        ("embedder", found.embedder),
    ]
    _table(("", ""), rows, "")


def _opened(url: str | None, namespace: str) -> "MemoryStore":
    from fumehood.memory.store import MemoryStore

    return MemoryStore.open(url, namespace)


def _emit(store: "MemoryStore", **document: Any) -> None:
    from fumehood.cli import emit

    emit({"database": store.address, "namespace": store.namespace, **document})


def _counted(count: int) -> str:
    return f"{count} insight{'' if count == 1 else 's'}"


def _what(insight: "Insight") -> str:
    return ("(demoted) " if insight.demoted_by else "") + insight.text


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], nothing: str) -> None:
    """A table on a terminal, else one line a row with tabs between; without rows, ``nothing`` on stderr."""
    from fumehood import text

    clean = [[text.plain(cell, 600) for cell in row] for row in rows]
    if not clean:
        click.echo(nothing, err=True)
        return
    import sys

    if not sys.stdout.isatty():
        for row in clean:
            click.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=any(head), pad_edge=False)
    for name in head:
        table.add_column(name, overflow="fold", no_wrap=name == "id")
    for row in clean:
        table.add_row(*map(Text, row))
    Console().print(table)
