"""Probes in a train room and in the predict room after it, and their controls in containers with a wall taken away.

Both rooms are opened and used as an executor does it. A row passes if its program ran in both and gained in neither;
one that broke, or of which nothing was heard, fails. Controls run under runc whatever the policy, because gVisor is a
wall of its own.
"""

import re
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from fumehood import rooms
from fumehood.attacks import bait, candidates
from fumehood.attacks.attack import Finding, Probe, Relaxed
from fumehood.attacks.bait import Bait
from fumehood.attacks.stage import Stage, open_stage
from fumehood.errors import EngineError
from fumehood.executors.local import job_fields
from fumehood.policy import Policy
from fumehood.records import Record
from fumehood.sandbox import cage, exchange
from fumehood.sandbox.cage import Cage
from fumehood.sandbox.exchange import Rejected
from fumehood.sandbox.room import engine_errors, remove_container, remove_volume
from fumehood_shared.messages import PredictRequest, SeedSpec, TrainRequest

_LINE: Final = re.compile(r"^FINDING (\{.*\})$", re.MULTILINE)
_LINE_BYTES: Final = 8192
_LOG_LINES: Final = 2000
_DEADLINE_S: Final = 240.0
_AT_ONCE: Final = 2
_SEEDS: Final = (SeedSpec(seed=0, order=0),)


class Tried(Record):
    """What one program told of itself. With nothing set it looked and found nothing."""

    name: str
    gained: str | None = None
    refused: str | None = None
    absent: bool = False
    """Refused because the kernel has no such thing."""
    broken: str | None = None

    @property
    def harmless(self) -> bool:
        return self.gained is None and self.broken is None

    @property
    def told(self) -> str:
        if self.gained is not None:
            return f"gained: {self.gained}"
        if self.broken is not None:
            return f"broken: {self.broken}"
        return self.refused or "nothing"


@dataclass(frozen=True)
class Probing:
    """A stage whose labels are canaries, and the bait."""

    stage: Stage
    bait: Bait


@contextmanager
def open_probing(policy: Policy) -> Iterator[Probing]:
    """Raises EngineError where the engine cannot do what ``policy`` asks."""
    with (
        TemporaryDirectory(prefix="fumehood-bait-") as folder,
        bait.laid(Path(folder)) as laid,
        open_stage(policy, laid.data, "rmse") as stage,
    ):
        laid.keep_labels(stage)
        yield Probing(stage, laid)


# ---- in rooms --------------------------------------------------------------------------------------------------------


def findings(probing: Probing, probes: Sequence[Probe]) -> list[Finding]:
    """Every probe in both rooms; one row each, in the order of ``probes``."""
    source = candidates.probing({probe.key: probe.source for probe in probes}, probing.bait.told(probing.stage))
    by_role = {role: (heard(log), ending) for role, (log, ending) in _logs(probing.stage, source).items()}
    touched = probing.bait.touched
    return [
        judged(
            probe,
            {role: tried.get(probe.key) or silent(probe, ending) for role, (tried, ending) in by_role.items()},
            touched,
        )
        for probe in probes
    ]


def silent(probe: Probe, ending: str) -> Tried:
    return Tried(name=probe.key, broken=f"nothing was heard of it, and its room {ending}")


def _logs(stage: Stage, source: str) -> dict[str, tuple[str, str]]:
    """Role -> what the candidate printed, and how the room ended: first its train room, then its predict room."""
    predictions = stage.folder / "probe-predictions"
    inputs, _ = stage.executor.arrays.shuffled("validation_inputs", "probes", stage.folder)
    train_room, predict_room = stage.host.pair(stage.executor.pool.data)
    with predict_room:
        with train_room:
            request = _train_request(stage, train_room.cage)
            trained = rooms.train(train_room, request, source)
            train_room.end()
            rooms.handed_over(predict_room, 1)
        told = {"train": (trained.log, _ending(trained)), "predict": ("", "was not used")}
        if trained.reports[0].failure is None:
            asked = _predict_request(stage, predict_room.cage)
            predicted = rooms.predict(predict_room, asked, source, (), inputs, [predictions])
            told["predict"] = (predicted.log, _ending(predicted))
    return told


def _ending(outcome: rooms.Outcome) -> str:
    failure = outcome.reports[0].failure
    return f"ended with {failure.kind.value}: {failure.message}" if failure else "ended well"


def _train_request(stage: Stage, cage_: Cage) -> TrainRequest:
    dataset = stage.laboratory.dataset
    return TrainRequest(
        **job_fields(dataset, _SEEDS, "cpu", cage_.threads),
        inputs=dataset.arrays["train_inputs"],
        targets=dataset.arrays["train_targets"],
        deadline_s=min(_DEADLINE_S, cage_.limits.wall_s),
    )


def _predict_request(stage: Stage, cage_: Cage) -> PredictRequest:
    dataset = stage.laboratory.dataset
    return PredictRequest(
        **job_fields(dataset, _SEEDS, "cpu", cage_.threads),
        inputs=dataset.arrays["validation_inputs"],
        handed_over=(0,),
        deadline_s=min(_DEADLINE_S, cage_.limits.wall_s),
    )


def heard(log: str) -> dict[str, Tried]:
    """Each program's own account, the worse one where there are two; lines that cannot be read count as silence."""
    found: dict[str, Tried] = {}
    for line in _LINE.findall(log):
        try:
            tried = exchange.parse(line.encode(), Tried, _LINE_BYTES)
        except Rejected:
            continue
        if tried.name not in found or found[tried.name].harmless:
            found[tried.name] = tried
    return found


def judged(probe: Probe, tried: Mapping[str, Tried], touched: Collection[str] = ()) -> Finding:
    """One row from what a program told in each room, and from the keys of probes whose bait was ``touched``."""
    told = {role: one.told for role, one in tried.items()}
    same = len(set(told.values())) == 1
    seen = next(iter(told.values())) if same else "; ".join(f"{role}: {text}" for role, text in told.items())
    passed = all(one.harmless for one in tried.values())
    if probe.key in touched:
        seen, passed = f"{seen}; seen from outside: something connected", False
    return Finding(name=probe.name, group=probe.group, expected=probe.expected, seen=seen, passed=passed)


# ---- controls --------------------------------------------------------------------------------------------------------


def controls(probing: Probing, probes: Iterable[Probe]) -> dict[str, Tried]:
    """Key of a probe -> what it told where its wall is taken away. Probes with the same one share a container."""
    groups: list[tuple[Relaxed, list[Probe]]] = []
    for probe in probes:
        alike = next((group for relaxed, group in groups if relaxed == probe.relaxed), None)
        if alike is None:
            groups.append((probe.relaxed, [probe]))
        else:
            alike.append(probe)
    told = probing.bait.told(probing.stage)
    found: dict[str, Tried] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for tried in pool.map(lambda one: _control(probing, one[0], one[1], told), groups):
            found |= tried
    return found


def _control(probing: Probing, relaxed: Relaxed, probes: Sequence[Probe], told: Mapping[str, Any]) -> dict[str, Tried]:
    """What the probes tell in a container of their own."""
    program = candidates.alone({probe.key: probe.source for probe in probes}, told)
    stage = probing.stage
    limits = stage.policy.train.model_copy(update=dict(relaxed.limits))
    policy = stage.policy.model_copy(update={"runtime": "runc", "train": limits})
    asked = replace(stage.host, policy=policy).room("train", stage.executor.pool.data).cage
    if relaxed.prepare:
        asked = replace(asked, image_id=stage.host.images.prepare.image_id)
    body = relaxed_body(asked, relaxed, probing.bait, candidates.before(relaxed.first) + program)
    try:
        return heard(_printed(stage, body, asked))
    except EngineError as error:
        return {probe.key: Tried(name=probe.key, broken=error.what) for probe in probes}


def relaxed_body(asked: Cage, relaxed: Relaxed, laid: Bait, program: str) -> dict[str, Any]:
    """The engine's settings of a control: a room's, but for a program of its own, a log, and what ``relaxed`` says."""
    body = cage.create_body(asked)
    body |= {"Entrypoint": [*cage.ENTRYPOINT[:-1], "-W", "ignore", "-c", program], "Cmd": [], **relaxed.config}
    body |= {"OpenStdin": False, "StdinOnce": False, "AttachStdin": False}
    binds = [f"{laid.path(name)}:{target}:ro" for target, name in relaxed.mounts.items()]
    body["HostConfig"] |= {"LogConfig": {"Type": "json-file", "Config": {}}, "Binds": binds, **relaxed.host}
    return body


def _printed(stage: Stage, body: Mapping[str, Any], asked: Cage) -> str:
    """Output of a container, which is removed."""
    api, name = stage.host.api, f"{asked.name}-{secrets.token_hex(2)}"
    try:
        with engine_errors("running a control"):
            api.create_container_from_config(body, name)
            api.start(name)
            api.wait(name, timeout=_DEADLINE_S)
            return str(api.logs(name, tail=_LOG_LINES).decode("utf-8", "replace"))
    finally:
        remove_container(api, name)
        for volume in cage.volumes(asked):
            remove_volume(api, volume)
