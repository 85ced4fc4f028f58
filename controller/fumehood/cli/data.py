"""``fumehood data``: which data sets can be named, what is in one, bringing public ones here, and what is kept."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from fumehood.cli.options import AS_JSON, SUBSET, VERBOSE

if TYPE_CHECKING:
    from fumehood.data.catalog import Entry
    from fumehood.data.fetch import Watcher
    from fumehood.data.published import ImageSet
    from fumehood.data.specs import DataSpec
    from fumehood.data.store import FileState
    from fumehood_shared.messages import PrepareReply

SHOWN = 30
"""Classes or columns that are listed for people; the rest is counted."""


@click.group()
def data() -> None:
    """Look at data sets, and fetch public ones."""


@data.command("list")
@AS_JSON
def list_(as_json: bool) -> None:
    """List the data sets that can be named, and how to name a file."""
    from fumehood.cli import emit
    from fumehood.data import catalog, published, specs, store

    public = {each: store.states(each) for each in published.image_sets()}
    if as_json:
        builtin = [entry.model_dump(mode="json") for entry in catalog.BUILTIN]
        files = [scheme.form for scheme in specs.SCHEMES]
        emit({"data": builtin, "public": [_public(*each) for each in public.items()], "files": files})
        return
    for entry in catalog.BUILTIN:
        click.echo(f"{entry.name:14} {entry.task.value:15} {entry.rows:6} rows  {entry.summary}")
    for each, states in public.items():
        click.echo(f"{each.name:14} {_here(each, states):15} {each.rows:6} rows  {each.summary}")
    for scheme in specs.SCHEMES:
        click.echo(f"{scheme.form:31} {scheme.summary}")


@data.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@VERBOSE
@AS_JSON
def fetch(names: tuple[str, ...], verbose: bool, as_json: bool) -> None:  # noqa: ARG001  # verbose is read by ``cli.main``
    """Download public data sets, checked and resumable. FUMEHOOD_DATA_DIR says where to."""
    from fumehood.cli import emit
    from fumehood.data import fetch as fetching
    from fumehood.data import store

    wanted = [_published(name) for name in dict.fromkeys(names)]
    for each in wanted:
        with _watched(quiet=as_json) as watch:
            brought = fetching.fetch(each, watch)
        if not as_json:
            done = f"fetched {len(brought)} of {len(each.files)} files" if brought else "nothing to fetch"
            click.echo(f"{each.name}: {done}, all verified, in {store.folder(each)}", err=True)
    if as_json:
        emit({"data": [_public(each, store.states(each)) for each in wanted]})


def _published(name: str) -> "ImageSet":
    from fumehood import text
    from fumehood.data import catalog, published, specs
    from fumehood.errors import UsageError

    if found := published.find(name):
        return found
    if catalog.find(name):
        raise UsageError(f"{name} needs no download: it is in the sandbox image.", f"fumehood data describe {name}")
    known = ", ".join(specs.nearest_first(name, [each.name for each in published.image_sets()]))
    raise UsageError(f"There is no data set called '{text.plain(name, 60)}' to fetch.", f"There are: {known}.")


@contextmanager
def _watched(*, quiet: bool) -> "Iterator[Watcher | None]":
    """A progress bar for each file, on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bars:
        tasks: dict[str, Any] = {}

        def watch(name: str, have: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=have, total=total)

        yield watch


def _here(each: "ImageSet", states: "Mapping[str, FileState]") -> str:
    """How much of it is on this machine, in at most 15 characters."""
    from fumehood.data.store import FileState

    if all(state is FileState.READY for state in states.values()):
        return "fetched"
    if all(state is FileState.MISSING for state in states.values()):
        return f"{each.megabytes:.0f} MB to fetch"
    return "incomplete"


def _public(each: "ImageSet", states: "Mapping[str, FileState]") -> dict[str, Any]:
    from fumehood.data import store

    files = [
        {"name": f.name, "state": states[f.name].value, "checksum": f"{f.algorithm}:{f.checksum}"} for f in each.files
    ]
    facts = each.model_dump(mode="json", include={"name", "rows", "classes", "summary", "citation", "megabytes"})
    return {**facts, "input_shape": each.shape, "folder": str(store.folder(each)), "files": files}


@data.command()
@click.argument("spec")
@SUBSET
@VERBOSE
@AS_JSON
def describe(spec: str, subset: int | None, verbose: bool, as_json: bool) -> None:  # noqa: ARG001  # verbose is read by ``cli.main``
    """Say what is in a data set. What is not built in, or a part of a set, is read in a sealed room, as a run would."""
    from fumehood.cli import emit

    document, lines = _described(spec, subset)
    if as_json:
        emit(document)
        return
    for line in lines:
        click.echo(line)


@data.command()
@AS_JSON
def forget(as_json: bool) -> None:
    """Remove the prepared data that were kept, so that the next runs do not prepare the same again.

    Runs have copies of their own, and lose nothing.
    """
    from fumehood.cli import emit
    from fumehood.data import files, shelf
    from fumehood.errors import UsageError

    kept = shelf.Shelf(shelf.folder())
    try:
        count, size = kept.empty()
    except OSError as error:
        what = f"The kept data in {files.shown(kept.folder)} cannot be removed: {error.strerror}."
        raise UsageError(what, "Give permission, or remove that folder.") from error
    if as_json:
        emit({"removed": count, "bytes": size})
        return
    sets = "1 data set" if count == 1 else f"{count} data sets"
    click.echo(f"removed {sets}, {files.size_text(size)}" if count else "No prepared data are kept.")


def _described(spec: str, subset: int | None) -> tuple[dict[str, Any], Iterator[str]]:
    """A JSON document and the same for people. What was not fetched is described by the catalogue."""
    from fumehood import policy
    from fumehood.data import catalog, images, specs, store
    from fumehood.data.store import FileState

    public = images.public_set(spec)
    if public and subset is None and FileState.READY not in (states := store.states(public)).values():
        return _public(public, states), _public_lines(public)
    limits = policy.load("standard")
    parsed = specs.parse(spec, int(limits.raw_data))
    entry = catalog.find(spec.strip()) if subset is None else None
    if entry is not None:
        return entry.model_dump(mode="json"), _entry_lines(entry)
    reply = _prepared(parsed, subset, limits)
    return _document(parsed, reply), chain(_public_head(public) if public else (), _reply_lines(reply))


def _prepared(spec: "DataSpec", subset: int | None, limits: Any) -> "PrepareReply":
    """What our loader makes of the files, in a prepare room; the arrays are thrown away."""
    import secrets
    import tempfile
    from pathlib import Path

    from fumehood import rooms
    from fumehood.errors import InternalError
    from fumehood.preparation import request_for
    from fumehood.sandbox.exchange import Outgoing
    from fumehood.sandbox.host import open_host
    from fumehood_shared.messages import PrepareReply

    request = request_for(spec, 0, subset, limits.prepare.wall_s)
    files = [Outgoing(name, path) for name, path in spec.files]
    with (
        tempfile.TemporaryDirectory(prefix="fumehood-describe-") as folder,
        open_host(limits, f"describe-{secrets.token_hex(4)}") as host,
        host.room("prepare") as room,
    ):
        reply = rooms.prepare(room, request, files, Path(folder)).reply
    if not isinstance(reply, PrepareReply):
        raise InternalError("the prepare room answered another question")
    return reply


def _document(spec: "DataSpec", reply: "PrepareReply") -> dict[str, Any]:
    """Strings are the file's own, as JSON escapes them."""
    return {
        "spec": spec.text,
        **reply.model_dump(mode="json", include={"task", "input_kind", "input_shape", "num_outputs", "facts"}),
        "rows": _rows(reply),
        "columns": [column.model_dump(mode="json") for column in getattr(reply.encoding, "columns", ())],
        "target": reply.target.model_dump(mode="json"),
        "vocab_size": reply.vocab_size,
        "balance": _balance(reply),
    }


def _rows(reply: "PrepareReply") -> dict[str, int]:
    return {split: reply.arrays[f"{split}_inputs"].shape[0] for split in ("train", "validation", "test")}


def _balance(reply: "PrepareReply") -> dict[str, Any] | None:
    """Rows of the most frequent class over those of the least frequent, and its share of all; None without classes."""
    counts = reply.facts.class_counts
    if not counts:
        return None
    majority = max(counts, key=lambda name: counts[name])
    return {
        "ratio": counts[majority] / max(1, min(counts.values())),
        "majority": majority,
        "share": counts[majority] / max(1, sum(counts.values())),
    }


def _entry_lines(entry: "Entry") -> Iterator[str]:
    yield f"{entry.name}: {entry.summary}"
    yield _line("task", f"{entry.task.value}, predicts {entry.target}")
    yield _line("rows", str(entry.rows))
    yield _line("inputs", f"{entry.input_kind.value}, {' x '.join(str(n) for n in entry.input_shape)}")
    if entry.classes:
        yield _line("classes", ", ".join(entry.classes))
    yield _line("source", entry.citation)


def _public_head(each: "ImageSet") -> Iterator[str]:
    yield f"{each.name}: {each.summary}"
    yield _line("source", each.citation)


def _public_lines(each: "ImageSet") -> Iterator[str]:
    from fumehood.data import store

    yield from _public_head(each)
    yield _line("rows", str(each.rows))
    yield _line("inputs", f"image, {' x '.join(str(n) for n in each.shape)}")
    if each.classes:
        yield _line("classes", ", ".join(each.classes))
    yield _line("files", f"not here; fumehood data fetch {each.name} brings {each.megabytes:.0f} MB")
    yield _line("or", store.by_hand(each))


def _reply_lines(reply: "PrepareReply") -> Iterator[str]:
    facts = reply.facts
    yield _line("task", f"{reply.task.value}, predicts {reply.target.name}")
    yield _line("rows", f"{facts.rows}: " + ", ".join(f"{n} {split}" for split, n in _rows(reply).items()))
    yield _line("inputs", f"{reply.input_kind.value}, {' x '.join(str(n) for n in reply.input_shape)} after encoding")
    columns = {column.name: _column(column) for column in getattr(reply.encoding, "columns", ())}
    yield from _table("column", columns)
    if reply.vocab_size:
        yield _line("tokens", f"0 padding, 1 unknown, and {reply.vocab_size - 2} words of the training rows")
    yield from _table("class", {name: f"{count} rows" for name, count in facts.class_counts.items()})
    if (balance := _balance(reply)) is not None:
        line = f"{balance['ratio']:.3g} to 1 from the most to the least frequent class"
        yield _line("balance", f"{line}; always saying {balance['majority']} is right in {balance['share']:.1%}")
    yield from _table("missing", {name: f"{count} cells" for name, count in facts.missing_cells.items()})
    if facts.dropped_rows:
        yield _line("dropped", f"{facts.dropped_rows} rows without a target")
    if facts.duplicate_rows_across_splits:
        yield _line("duplicates", f"{facts.duplicate_rows_across_splits} rows are in more than one split")
    if facts.landmarks:
        share = (
            f"ridge regression explains {facts.landmarks.linear:.0%}, on a Gaussian kernel {facts.landmarks.smooth:.0%}"
        )
        yield _line("landmarks", f"of the target's variance, on training rows left out in turn, {share}")
    for note in facts.notes:
        yield _line("note", note)


def _column(column: Any) -> str:
    if column.kind == "category":
        return f"category, one-hot over {len(column.values)} values"
    return "number, standardised" + (", with an indicator of missing cells" if column.indicator else "")


def _table(label: str, cells: Mapping[str, str]) -> Iterator[str]:
    from fumehood import text

    for name, cell in list(cells.items())[:SHOWN]:
        yield _line(label, f"{text.plain(name, 60)}: {cell}")
    if len(cells) > SHOWN:
        yield _line(label, f"and {len(cells) - SHOWN} more")


def _line(label: str, content: str) -> str:
    """Content may be a file's own words."""
    from fumehood import text

    return f"  {label:11} {text.plain(content, 1000)}"
