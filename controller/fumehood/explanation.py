"""What a policy means for people: every value, what it is for, what would happen without it, and what binds it.

Pure, but for reading the shipped ``policies/README.md``: its tables say what would happen without a key, once, for
readers of the page and of ``fumehood policy explain``. Nothing is judged here that ``floor`` does not judge.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from pydantic import BaseModel, ByteSize

from fumehood import assets, floor, policy
from fumehood.errors import UsageError
from fumehood.floor import Bound, Floor
from fumehood.policy import Policy

REFERENCE: Final = "standard"
"""What is looser than this shipped policy is named."""
_SECTION: Final = re.compile(r"## Keys of (.*)")
_NAME: Final = re.compile(r"`\[?([a-z_]+)\]?`")
_ROW: Final = re.compile(r"\| ((?:`[a-z_]+`(?:, )?)+) \| .* \| (.*) \|")


@dataclass(frozen=True)
class Entry:
    """One key of a policy."""

    key: str
    """Dotted: ``train.memory``."""
    value: Any
    shown: str
    """The value with its unit."""
    meaning: str
    without: str
    """What would happen without it."""
    bounds: Sequence[Bound]
    """What floors allow, the tightest first; none where no floor binds it."""
    reference: str | None
    """The standard policy's value, where this one is looser."""


@dataclass(frozen=True)
class Budget:
    """The most that one candidate can take from the host, whatever it does."""

    memory_bytes: int
    """Of a train room and its predict room together, or of the prepare room, whichever is more."""
    seconds: float
    """From the first room's creation to the end of the last, where all seeds share one train and one predict room."""


def entries(of: Policy, floors: Sequence[Floor] = ()) -> list[Entry]:
    """Every key of ``of``, in its own order."""
    bounds, loose = floor.bounds(of, floors), looser(of)
    return [
        Entry(key, value, shown, meaning, consequences().get(key, ""), bounds.get(key, ()), loose.get(key))
        for key, value, shown, meaning in _fields(of)
    ]


def matching(found: Sequence[Entry], key: str) -> list[Entry]:
    """The entry named ``key``, those of the table ``key``, or those of this name in every table.

    Raises UsageError where there is none.
    """
    chosen = [e for e in found if key in (e.key, e.key.partition(".")[0], e.key.rpartition(".")[2])]
    if not chosen:
        raise UsageError(f"a policy has no key {key!r}", "fumehood policy show standard lists all keys")
    return chosen


def looser(of: Policy) -> dict[str, str]:
    """Keys in which a policy is looser than the standard one -> the standard value."""
    standard = policy.load(REFERENCE)
    against = floor.bounds(of, [Floor(REFERENCE, floor.flat(standard))])
    shown = {key: text for key, _, text, _ in _fields(standard)}
    return {key: shown[key] for key, (bound,) in against.items() if not bound.holds}


def budget(of: Policy) -> Budget:
    rooms = (of.train, of.predict)
    return Budget(memory_bytes=of.host_bytes, seconds=sum(room.ready_s + room.wall_s for room in rooms))


def risks(of: Policy) -> list[str]:
    """What remains possible under ``of`` that a tighter policy would prevent."""
    found = []
    if of.runtime == "runc":
        found.append('runtime = "runc": rooms share the host\'s kernel, so a kernel exploit gets out; runsc is gVisor')
    if not of.isolate_seeds:
        found.append("isolate_seeds = false: a candidate's seeds share a room, so their independence is only a claim")
    if loose := looser(of):
        found.append(f"looser than policy {REFERENCE}, or other: {', '.join(loose)}")
    return found


@cache
def consequences() -> Mapping[str, str]:
    """Dotted key -> what would happen without it, from the tables of ``policies/README.md``."""
    found: dict[str, str] = {}
    tables: list[str] = []
    for line in (assets.policies() / "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = _SECTION.match(line)
            tables = _NAME.findall(section[1]) if section else []
        elif row := _ROW.fullmatch(line):
            for name in _NAME.findall(row[1]):
                found |= {f"{table}.{name}" if table else name: row[2] for table in tables or [""]}
    return found


def _fields(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any, str, str]]:
    """Dotted key, value, value with unit, and meaning."""
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _fields(value, f"{prefix}{name}.")
        else:
            meaning = " ".join((info.description or "").replace("``", "").split())
            yield prefix + name, value, _shown(name, value), meaning


def _shown(name: str, value: Any) -> str:
    if isinstance(value, ByteSize):
        return value.human_readable(separator=" ")
    if isinstance(value, bool | tuple):
        return floor.shown(value)
    number = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{number} s" if name.endswith("_s") else number
