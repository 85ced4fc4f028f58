"""``fumehood policy``: which policies there are, what one says, what that means, and whether it holds here."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from fumehood.cli.options import AS_JSON

if TYPE_CHECKING:
    from fumehood.explanation import Entry
    from fumehood.floor import Floor
    from fumehood.policy import Policy

NAME = click.argument("name", metavar="NAME|FILE")


@click.group()
def policy() -> None:
    """Look at the limits of rooms."""


@policy.command("list")
@AS_JSON
def list_(as_json: bool) -> None:
    """List the policies that come with Fumehood."""
    from fumehood import policy as policies
    from fumehood.cli import emit

    found = [policies.load(name) for name in policies.shipped()]
    if as_json:
        emit({"policies": [{"name": entry.name, "description": entry.description} for entry in found]})
        return
    for entry in found:
        click.echo(f"{entry.name:12} {entry.description}")


@policy.command()
@NAME
@AS_JSON
def show(name: str, as_json: bool) -> None:
    """Show every key of a policy and what it means."""
    from fumehood import explanation, text
    from fumehood import policy as policies
    from fumehood.cli import emit

    fields = explanation.entries(policies.load(name))
    if as_json:
        emit({"fields": [_field(entry) for entry in fields]})
        return
    for entry in fields:
        click.echo(f"{entry.key:18} {text.plain(entry.shown):28} {entry.meaning}")


@policy.command()
@NAME
@click.argument("key", required=False)
@AS_JSON
def explain(name: str, key: str | None, as_json: bool) -> None:
    """Explain what a policy means here: every limit, what would happen without it, and what the floor says.

    KEY chooses one key (train.memory), one table (train), or a key of all tables (memory).
    """
    from fumehood import explanation, floor
    from fumehood import policy as policies
    from fumehood.cli import emit

    found, floors = policies.load(name), floor.read()
    entries = explanation.entries(found, floors)
    chosen = explanation.matching(entries, key) if key else entries
    if as_json:
        emit({"policy": found.name, **_about(found, floors), "fields": [_explained(entry) for entry in chosen]})
        return
    for line in _page(found, floors, chosen, whole=key is None):
        click.echo(line)


@policy.command()
@NAME
@click.option("--no-engine", is_flag=True, help="Look at the file and the floor only, not at the engine.")
@AS_JSON
def check(name: str, no_engine: bool, as_json: bool) -> int:
    """Check that a policy is valid, within this machine's floor, and one that the engine can enforce.

    Exits with 0 if so, with 2 where the policy is at fault, with 6 where the engine is.
    """
    from fumehood.cli import emit
    from fumehood.cli.doctor import tell
    from fumehood.doctor import limits

    verdict = limits.examine(name, with_engine=not no_engine)
    if as_json:
        found = [check.model_dump() for check in verdict.checks]
        passed = verdict.exit_code == 0
        emit({"policy": name, "checks": found, "passed": passed, "exit_code": verdict.exit_code})
        return verdict.exit_code
    for check in verdict.checks:
        tell(check)
    if verdict.exit_code:
        click.echo("A run under this policy would be refused.")
    return verdict.exit_code


def _field(entry: "Entry") -> dict[str, Any]:
    return {"name": entry.key, "value": entry.value, "shown": entry.shown, "meaning": entry.meaning}


def _explained(entry: "Entry") -> dict[str, Any]:
    bounds = [{"source": b.source, "limit": b.limit, "allows": b.words, "holds": b.holds} for b in entry.bounds]
    return {**_field(entry), "without": entry.without, "floor": bounds, "standard": entry.reference}


def _about(found: "Policy", floors: Sequence["Floor"]) -> dict[str, Any]:
    """What concerns the policy as a whole."""
    from fumehood import explanation, floor

    budget, models = explanation.budget(found), floor.llm(floors)
    return {
        "description": found.description,
        "host_memory_bytes": budget.memory_bytes,
        "candidate_seconds": budget.seconds,
        "risks": explanation.risks(found),
        "floors": [it.source for it in floors],
        "llm": {"hosts": None if models.hosts is None else sorted(models.hosts), "send_names": models.send_names},
    }


def _page(found: "Policy", floors: Sequence["Floor"], entries: Sequence["Entry"], *, whole: bool) -> Iterator[str]:
    if whole:
        yield from _summary(found, _about(found, floors))
    alike: dict[str, list[Entry]] = {}
    for entry in entries:
        alike.setdefault(entry.meaning, []).append(entry)
    for meaning, group in alike.items():
        yield ""
        yield from (line for entry in group for line in _values(entry))
        yield f"    {meaning}"
        yield f"    Without it: {group[0].without}."


def _values(entry: "Entry") -> Iterator[str]:
    """The value of one key, and who else has a say in it."""
    from fumehood.text import plain

    loose = f"  (looser than policy standard: {entry.reference})" if entry.reference is not None else ""
    yield f"{entry.key} = {plain(entry.shown)}{loose}"
    for bound in entry.bounds:
        verdict = "" if bound.holds else ": this value is looser, so a run is refused"
        yield f"    Floor: {plain(bound.words)} ({plain(bound.source)}){verdict}"


def _summary(found: "Policy", about: dict[str, Any]) -> Iterator[str]:
    from fumehood.text import plain

    each = "a seed of a candidate" if found.isolate_seeds else "a candidate"
    yield f"{found.name}: {plain(found.description)}"
    yield ""
    yield f"At most, {each} takes {about['host_memory_bytes'] / 2**30:.1f} GiB of the host's memory (its rooms and all"
    yield f"they keep in memory) and {about['candidate_seconds'] / 60:.0f} minutes, from its first room to its last."
    yield ""
    yield from (f"Note: {plain(risk)}." for risk in about["risks"])
    yield "Floors: " + (", ".join(plain(source) for source in about["floors"]) or "none is set on this machine")
    yield from (f"Floor: {line}" for line in _models(about["llm"]))


def _models(llm: dict[str, Any]) -> Iterator[str]:
    from fumehood.text import plain

    if llm["hosts"] is not None:
        hosts = ", ".join(map(plain, llm["hosts"]))
        yield f"language models may be asked on {hosts or 'no host at all'}, and nowhere else"
    if not llm["send_names"]:
        yield "names of columns and classes may not be sent to a language model"
