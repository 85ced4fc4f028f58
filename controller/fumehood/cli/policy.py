"""``fumehood policy``: which policies there are, and what one says."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from fumehood.cli.options import AS_JSON

if TYPE_CHECKING:
    from pydantic import BaseModel


class Field(NamedTuple):
    """One key of a policy: its dotted name, its value for programs and for people, and what it means."""

    name: str
    value: Any
    shown: str
    meaning: str


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
@click.argument("name", metavar="NAME|FILE")
@AS_JSON
def show(name: str, as_json: bool) -> None:
    """Show every key of a policy and what it means."""
    from fumehood import policy as policies
    from fumehood import text
    from fumehood.cli import emit

    fields = list(_fields(policies.load(name)))
    if as_json:
        emit({"fields": [field._asdict() for field in fields]})
        return
    for field in fields:
        click.echo(f"{field.name:18} {text.plain(field.shown):28} {field.meaning}")


def _fields(model: "BaseModel", prefix: str = "") -> Iterator[Field]:
    """The keys of ``model`` in their own order, those of its tables with dotted names."""
    from pydantic import BaseModel

    for name, info in type(model).model_fields.items():
        value, meaning = getattr(model, name), " ".join((info.description or "").replace("``", "").split())
        if isinstance(value, BaseModel):
            yield from _fields(value, f"{prefix}{name}.")
        else:
            yield Field(prefix + name, value, _shown(name, value), meaning)


def _shown(name: str, value: Any) -> str:
    """``value`` with its unit."""
    from pydantic import ByteSize

    if isinstance(value, ByteSize):
        return value.human_readable(separator=" ")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    number = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{number} s" if name.endswith("_s") else number
