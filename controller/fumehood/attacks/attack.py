"""What an attack is, what came of it, and what a control takes away."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fumehood import assets
from fumehood.records import Record


class Group(StrEnum):
    SEE = "see"
    """What can it see?"""
    OUT = "out"
    """Can it get out, or up?"""
    EXHAUST = "exhaust"
    """Can it exhaust the host?"""
    READER = "reader"
    """Can it hurt the reader of its output?"""
    FORGE = "forge"
    """Can it forge its score?"""


class Finding(Record):
    """One row of the table. ``passed``: the attack failed as expected."""

    name: str
    group: Group
    expected: str
    seen: str
    passed: bool


@dataclass(frozen=True)
class Attack:
    """One program, ``sandbox_image/attacks/GROUP/NAME.py`` (``-`` in the name is ``_`` in the file)."""

    name: str
    group: Group
    expected: str
    """What must be seen, for people."""

    @property
    def key(self) -> str:
        """Its name in all of the groups."""
        return f"{self.group.value}/{self.name}"

    @property
    def source(self) -> str:
        path = assets.sandbox_image() / "attacks" / self.group.value / f"{self.name.replace('-', '_')}.py"
        return path.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Relaxed:
    """A control's container: a room's, with only the wall under test taken away.

    Where two walls stand one behind the other, each of which would do, both are taken away and ``what`` names both.
    """

    what: str
    """Which wall, for people: ``the filter``, ``the process namespace``."""
    host: Mapping[str, Any] = field(default_factory=dict)
    """Fields of HostConfig that are set otherwise."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the container's own configuration that are set otherwise."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Limits of the policy's train room that are set otherwise."""
    mounts: Mapping[str, str] = field(default_factory=dict)
    """Path in the container -> name of the bait (``bait``) that is mounted there."""
    first: str = ""
    """A program ``sandbox_image/attacks/controls/NAME.py`` that the container runs before the probes."""
    prepare: bool = False
    """Whether the container is of the prepare room's image."""


@dataclass(frozen=True)
class Probe(Attack):
    """Looks or tries, and tells what it gained. Many share one room, each in a process of its own.

    The program defines ``attack()``: it returns what it gained, as text, or None; an OSError is a refusal.
    """

    relaxed: Relaxed = field(kw_only=True)
    """Its control: where this is relaxed, the program gains."""
    may_be_absent: bool = False
    """Whether there are kernels without the thing that it is after; the control says so then."""


@dataclass(frozen=True)
class Deed(Attack):
    """A whole candidate in rooms of its own; ``judge`` says from outside what it came to."""

    judge: Callable[[Any], tuple[str, bool]] = field(kw_only=True)
    """From the ``Aftermath`` (see ``deeds``) to what was seen, and whether the attack failed as expected."""
    company: str = ""
    """Deeds of one company share a room, each as one seed of it; "" is a room of its own."""
    seeds: int = 1
    """How many seeds of a room are this deed's."""
    deadline_s: float = 20.0
    """Of the train room, wall time, where a room gets ready quickly."""
    unread: bool = False
    """Whether a second connection to the room's streams is held open meanwhile, and not read."""
    limits: Mapping[str, Any] = field(default_factory=dict)
    """Limits of its train room that are tighter than the stage's."""
    relaxed: Mapping[str, Any] = field(default_factory=dict)
    """Its control: the limits under test set so wide that the same program succeeds. Empty where the honest twin is."""
