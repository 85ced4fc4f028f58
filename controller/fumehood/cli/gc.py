"""``fumehood gc``: remove what dead runs left on the engine."""

from collections.abc import Mapping
from typing import Any

import click

from fumehood.cli.options import AS_JSON


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@AS_JSON
def gc(dry_run: bool, as_json: bool) -> None:
    """Remove containers and volumes whose run is proven dead, and nothing else."""
    from fumehood.cli import emit
    from fumehood.sandbox import engine, owner, reaper
    from fumehood.sandbox.host import state_folder

    api = engine.connect().api
    found = reaper.find(api)
    things = [*_things("container", found.containers), *_things("volume", found.volumes)]
    if not dry_run:
        reaper.remove(api, found)
        owner.forget_dead(state_folder())
    left = found if dry_run else reaper.find(api)
    staying = {*left.containers, *left.volumes}
    removed = [thing for thing in things if thing["name"] not in staying]
    if as_json:
        emit({"dry_run": dry_run, "found": things, "removed": removed})
        return
    for thing in things:
        click.echo(_line(thing, dry_run=dry_run, removed=thing in removed))
    if not things:
        click.echo("Nothing of dead runs is on the engine.")


def _things(what: str, found: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"what": what, "name": name, "kind": kind} for name, kind in sorted(found.items())]


def _line(thing: Mapping[str, str], *, dry_run: bool, removed: bool) -> str:
    from fumehood import text

    verb = "would remove" if dry_run else "removed" if removed else "still there:"
    return text.plain(f"{verb} {thing['what']} {thing['name'][:40]} ({thing['kind']})")
