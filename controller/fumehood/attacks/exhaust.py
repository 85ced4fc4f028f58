"""Can it exhaust the host? Bombs and floods in rooms whose limits are small, so that they are soon over.

Not here: memory of a GPU that a dead worker keeps, which takes a GPU to see.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from fumehood.attacks import deeds, rivals
from fumehood.attacks.attack import Attack, Deed, Finding, Group, Probe, Relaxed
from fumehood.attacks.deeds import Aftermath
from fumehood.attacks.rivals import Rivalry
from fumehood.attacks.stage import Stage
from fumehood_shared import caps
from fumehood_shared.messages import FailureKind

_MIB: Final = 1024 * 1024
_ENDLESS_S: Final = 3.0
_TASKS: Final = 128
_CPUS: Final = 0.5
_NOTICED_S: Final = 7.0
"""From a deadline to the controller's own, and to its notice."""


# ---- judging -------------------------------------------------------------------------------------------------------


def _ends_at_the_deadline(after: Aftermath) -> tuple[str, bool]:
    in_time = after.facts.wall_s < after.deadline_s + _NOTICED_S
    seen = f"{after.told} after {after.facts.wall_s:.1f} s"
    return seen, in_time and after.failure is not None and after.failure.kind is FailureKind.TIMEOUT


def _floods_in_vain(after: Aftermath) -> tuple[str, bool]:
    seen, passed = _ends_at_the_deadline(after)
    kept = len(after.said.encode())
    return f"{seen}; {kept >> 10} KiB kept of it", passed and 1000 < kept <= caps.LOG_BYTES


def _its_daemon_dies(after: Aftermath) -> tuple[str, bool]:
    lived = "a daemon" in after.said
    return f"{after.told}; {'its daemon died with the room' if lived else 'no daemon'}", lived


def _leaves_its_session_in_vain(after: Aftermath) -> tuple[str, bool]:
    seen, passed = _ends_at_the_deadline(after)
    return seen, passed and "in a session of its own" in after.said


def _is_refused_more_tasks(after: Aftermath) -> tuple[str, bool]:
    """EAGAIN; under gVisor, whose own threads are counted, the end of the room, or threads that cost the host none."""
    seen = f"{after.told}; at most {after.tasks} tasks of {_TASKS}"
    refused = after.failure is not None and after.failure.kind is FailureKind.CRASHED
    return seen, (refused or after.is_gvisor) and 0 < after.tasks <= _TASKS


def _runs_out_of_memory(after: Aftermath) -> tuple[str, bool]:
    return after.told, after.failure is not None and after.failure.kind is FailureKind.OOM


def _others_are_seen_to_be_killed(after: Aftermath) -> tuple[str, bool]:
    """The killer may live; the victim is reported as killed, not as out of memory and not as well."""
    (victim,) = after.others
    seen = f"the victim: {victim.kind.value}: {victim.message}" if victim else "the victim: accepted"
    return seen, victim is not None and victim.kind is FailureKind.CRASHED and "SIGKILL" in victim.message


def _gets_its_share(after: Aftermath) -> tuple[str, bool]:
    """Of the room's whole life, since that is what the kernel counted.

    What it would use without a limit depends on what else the machine does, so no control could show it each time.
    """
    lived = after.facts.ready_s + after.facts.wall_s
    used = after.facts.cpu_s
    if used is None:
        return "the kernel does not tell what it used", False
    return f"{used / lived:.2f} CPUs of {_CPUS}", used / lived < _CPUS * 1.2


def _is_too_large(after: Aftermath) -> tuple[str, bool]:
    rejected = after.failure is not None and after.failure.kind is FailureKind.HOSTILE_OUTPUT
    return after.told, rejected and "larger than the policy allows" in after.told


# ---- the attacks ---------------------------------------------------------------------------------------------------


def _deed(name: str, expected: str, **fields: Any) -> Deed:
    return Deed(name, Group.EXHAUST, expected, **fields)


def _endless(name: str, expected: str = "ended at the deadline", **fields: object) -> Deed:
    fields = {"judge": _ends_at_the_deadline, "company": "endless", "deadline_s": _ENDLESS_S, **fields}
    return _deed(name, expected, **fields)


def _bomb(name: str, **fields: object) -> Deed:
    limits, expected = {"pids": _TASKS}, f"refused, at {_TASKS} tasks on the host"
    return _deed(name, expected, judge=_is_refused_more_tasks, limits=limits, **fields)


_NO_ULIMITS: Final = Relaxed("limits of a process", {"Ulimits": []})
_LARGE: Final = Relaxed(
    "sizes of what lies in memory",
    limits={"shm": 512 * _MIB, "tmp": 1024 * _MIB, "exchange": 512 * _MIB, "inodes": 100_000, "file": 2**50},
)

PROBES: Final = (
    Probe("shm", Group.EXHAUST, "refused", relaxed=_LARGE),
    Probe("tmpfs", Group.EXHAUST, "refused", relaxed=_LARGE),
    Probe("exchange-volume", Group.EXHAUST, "refused", relaxed=_LARGE),
    Probe("inodes", Group.EXHAUST, "refused", relaxed=_LARGE),
    Probe("fallocate", Group.EXHAUST, "refused", relaxed=_LARGE),
    Probe("sparse-terabyte", Group.EXHAUST, "refused", relaxed=_LARGE),
    Probe("descriptors", Group.EXHAUST, "refused", relaxed=_NO_ULIMITS),
    Probe("core-dump", Group.EXHAUST, "no leave to dump core", relaxed=_NO_ULIMITS),
)

DEEDS: Final = (
    _endless("spin"),
    _endless("sleep"),
    _endless("ignored-sigterm"),
    _endless("setsid", judge=_leaves_its_session_in_vain),
    _endless("double-fork", "its daemon ends with the room", judge=_its_daemon_dies),
    _endless("sigstop-itself"),
    _endless("stdout-flood", "ended at the deadline, its beginning and its end kept", judge=_floods_in_vain),
    _endless("endless-line", "ended at the deadline, its beginning and its end kept", judge=_floods_in_vain),
    _endless("sigstop-supervisor", company="", deadline_s=2.0),
    _endless("log-flood", "ended at the deadline, with nobody reading", company="", unread=True,
             judge=_floods_in_vain),
    _bomb("fork-bomb", relaxed={"pids": 2048}),
    _bomb("thread-bomb", relaxed={"pids": 2048}),
    _bomb("zombies"),
    *(_deed(name, "out of memory", judge=_runs_out_of_memory, limits={"memory": 512 * _MIB},
            relaxed={"memory": 2048 * _MIB}) for name in ("memory-bomb", "memory-bomb-grandchild")),
    _deed("kill-everyone", "reported as what it was", judge=_others_are_seen_to_be_killed, seeds=2),
    _deed("cpu-share", f"{_CPUS} CPUs", judge=_gets_its_share, limits={"cpus": _CPUS}),
    _deed("archived-terabyte", "refused before it is read", judge=_is_too_large,
          limits={"output": 64 * _MIB}, relaxed={"output": 256 * _MIB}),
)  # fmt: skip

RIVALRY: Final = Rivalry(
    "uid-budgets",
    Group.EXHAUST,
    "every room has its own",
    relaxed=lambda first, second: (first, replace(second, uid=first.uid)),
)
ATTACKS: Final[tuple[Attack, ...]] = (*PROBES, *DEEDS, RIVALRY)


def findings(stage: Stage) -> Iterator[Finding]:
    """The deeds of this group and their rivalry; its probes go with all others."""
    yield from deeds.findings(stage, DEEDS)
    yield rivals.finding(stage, RIVALRY)
