"""One program in two rooms at once: neither may notice the other."""

import contextlib
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from fumehood import rooms
from fumehood.attacks import candidates, deeds
from fumehood.attacks.attack import Attack, Finding
from fumehood.attacks.stage import Stage
from fumehood.errors import EngineError
from fumehood.sandbox.cage import Cage
from fumehood.sandbox.download import download
from fumehood.sandbox.exchange import Outgoing, Parcel, Rejected
from fumehood.sandbox.room import Room, engine_errors
from fumehood_shared import paths

_SECONDS: Final = 60.0
_ENOUGH: Final = 0.9
"""A room's own processes hold some of everything as well."""
_TAKEN, _GO_ON = "taken", "continue"
_COUNT: Final = re.compile(r"^([a-z ]+): (\d+)", re.MULTILINE)

Share = dict[str, int]


@dataclass(frozen=True)
class Rivalry(Attack):
    """The program prints lines ``what: number``, makes the file ``taken`` and waits for the file ``continue``."""

    relaxed: Callable[[Cage, Cage], tuple[Cage, Cage]] = field(kw_only=True)
    """Its control: the two rooms with the wall between them taken away."""


def finding(stage: Stage, rivalry: Rivalry) -> Finding:
    """Passed if both rooms got the same."""
    first, second = _shares(stage, rivalry, *_cages(stage))
    seen = f"{_shown(first)}; beside it {_shown(second)}"
    return Finding(
        name=rivalry.name,
        group=rivalry.group,
        expected=rivalry.expected,
        seen=seen,
        passed=bool(first) and not _differ(first, second),
    )


def succeeds(stage: Stage, rivalry: Rivalry) -> bool:
    """The control: whether one room notices the other where the wall between them is taken away."""
    first, second = _shares(stage, rivalry, *rivalry.relaxed(*_cages(stage)))
    return _differ(first, second)


def _cages(stage: Stage) -> tuple[Cage, Cage]:
    data = stage.executor.pool.data
    return stage.host.room("train", data).cage, stage.host.room("train", data).cage


def _shares(stage: Stage, rivalry: Rivalry, one: Cage, other: Cage) -> tuple[Share, Share]:
    """What two rooms got, the second one while the first held what it had got."""
    source = candidates.together({0: rivalry.source})
    host = stage.host
    with host.room_as(one) as first, host.room_as(other) as second, ThreadPoolExecutor(1) as pool:
        for room in (first, second):  # an engine that reads an archive mounts a room's volumes once more meanwhile
            room.ready()
        taken = pool.submit(_counted, stage, first, source)
        try:
            _wait_until_taken(stage, first)
            _tell_to_go_on(stage, second)
            rest = _counted(stage, second, source)
        finally:
            _tell_to_go_on(stage, first)
        return taken.result(), rest


def _counted(stage: Stage, room: Room, source: str) -> Share:
    request = deeds.train_request(stage, room, 1, _SECONDS)
    outcome = rooms.train(room, request, source)
    return {name: int(count) for name, count in _COUNT.findall(outcome.log)}


def _wait_until_taken(stage: Stage, room: Room) -> None:
    """By the engine's archive of the room: its first process hears nothing while it works."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(Rejected),
            download(stage.host.api, room.cage.name, f"{paths.EXCHANGE}/{paths.OUT}/{_TAKEN}", _SECONDS),
        ):
            return
        time.sleep(0.1)
    raise EngineError("a room did not say that it had taken its share", "run the attack again")


def _tell_to_go_on(stage: Stage, room: Room) -> None:
    word = Parcel([Outgoing(_GO_ON, b"")])
    with engine_errors("telling a room to go on"):
        stage.host.api.put_archive(room.cage.name, paths.EXCHANGE, word)


def _differ(first: Share, second: Share) -> bool:
    return any(
        min(pair) < _ENOUGH * max(pair) for pair in ((first.get(n, 0), second.get(n, 0)) for n in first | second)
    )


def _shown(share: Share) -> str:
    return ", ".join(f"{count} {name}" for name, count in share.items())
