"""The whole attack suite under one policy: every program is tried, every row is a finding."""

from collections.abc import Callable, Iterator
from typing import Final

from fumehood.attacks import exhaust, forge, images, out, probes, reader, see
from fumehood.attacks.attack import Attack, Finding, Group, Probe
from fumehood.attacks.stage import open_stage
from fumehood.policy import Policy
from fumehood.records import Record

ATTACKS: Final[tuple[Attack, ...]] = (
    *see.ATTACKS,
    *out.ATTACKS,
    *exhaust.ATTACKS,
    *reader.ATTACKS,
    *forge.ATTACKS,
)
PROBES: Final = tuple(attack for attack in ATTACKS if isinstance(attack, Probe))
Tell = Callable[[str], object]


class Control(Record):
    """Whether a probe gains something where its wall is taken away; if not, its row proves nothing on this machine."""

    name: str
    relaxed: str
    """The wall that was taken away."""
    seen: str
    proven: bool
    absent: bool
    """Whether this kernel has no such thing that could be gained."""


def run(policy: Policy, tell: Tell) -> list[Finding]:
    """Every attack under ``policy``, in the order of ``ATTACKS``; ``tell`` hears what goes on.

    Raises EngineError where the engine cannot do what ``policy`` asks.
    """
    found = {(finding.group, finding.name): finding for finding in _findings(policy, tell)}
    return [found[attack.group, attack.name] for attack in ATTACKS]


def _findings(policy: Policy, tell: Tell) -> Iterator[Finding]:
    tell(f"{len(PROBES)} programs look around and try things, in a train and in a predict room")
    with probes.open_probing(policy) as probing:
        yield from probes.findings(probing, PROBES)
    with open_stage(policy) as stage:
        yield images.finding(stage, out.IMAGE)
        for group, what in ((exhaust, "take what they can get"), (reader, "leave hostile output"), (forge, "cheat")):
            tell(f"candidates {what}")
            yield from group.findings(stage)


def controls(policy: Policy, tell: Tell) -> list[Control]:
    """Every probe once more where its wall is taken away, but for those that would exhaust something."""
    shown = [probe for probe in PROBES if probe.group is not Group.EXHAUST]
    tell(f"{len(shown)} programs again, each with its wall taken away")
    with probes.open_probing(policy) as probing:
        tried = probes.controls(probing, shown)
    return [_control(probe, tried.get(probe.key)) for probe in shown]


def _control(probe: Probe, tried: probes.Tried | None) -> Control:
    if tried is None:
        seen, proven, absent = "nothing was heard of it", False, False
    else:
        seen, proven, absent = tried.told, tried.gained is not None, tried.absent and probe.may_be_absent
    return Control(name=probe.key, relaxed=probe.relaxed.what, seen=seen, proven=proven, absent=absent)
