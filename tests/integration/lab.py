"""What the tests on the real engine share: a prepared data set, rooms with candidates in them, and looks for leaks.

Everything looks at the engine, at /proc and at the cgroups as they are; nothing of the product is replaced.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import docker

import fumehood
import fumehood_shared
from fumehood import rooms
from fumehood.data import seal
from fumehood.executors.local import Arrays, LocalExecutor, job_fields
from fumehood.policy import Policy
from fumehood.progress import SilentProgress
from fumehood.records import Dataset
from fumehood.rooms import Weights
from fumehood.sandbox import cage
from fumehood.sandbox.cage import Cage, DataVolume
from fumehood.sandbox.data_volume import data_volume, fill
from fumehood.sandbox.exchange import Outgoing
from fumehood.sandbox.host import Host
from fumehood.sandbox.pool import Pool
from fumehood.sandbox.room import Room
from fumehood_shared import paths
from fumehood_shared.messages import Failure, PrepareReply, PrepareRequest, SeedSpec, Source, TrainRequest

MIB = 1024 * 1024
SOURCES = [str(Path(package.__file__ or "").parents[1]) for package in (fumehood, fumehood_shared)]
"""Where subprocesses find the program under test."""


def tightened(policy: Policy, **train: Any) -> Policy:
    """``policy`` with rooms that suit tiny candidates; ``train`` changes the train room further."""
    small = {"memory": 1024 * MIB, "exchange": 128 * MIB, "file": 96 * MIB, "output": 128 * MIB, "tmp": 32 * MIB}
    small |= {"shm": 16 * MIB, "cpus": 2.0, "pids": 128}
    return policy.model_copy(
        update={
            "prepare": policy.prepare.model_copy(update=small),
            "train": policy.train.model_copy(update=small | train),
            "predict": policy.predict.model_copy(update=small),
        }
    )


@dataclass(frozen=True)
class Lab:
    """One prepared data set on one engine."""

    host: Host
    arrays: Arrays
    volume: DataVolume

    def under(self, policy: Policy) -> "Lab":
        return replace(self, host=replace(self.host, policy=policy))

    def request(self, room: Room, *, seeds: int = 1, deadline_s: float = 60.0) -> TrainRequest:
        dataset = self.arrays.dataset
        specs = tuple(SeedSpec(seed=k, order=k) for k in range(seeds))
        return TrainRequest(
            **job_fields(dataset, specs, "cpu", room.cage.threads),
            inputs=dataset.arrays["train_inputs"],
            targets=dataset.arrays["train_targets"],
            deadline_s=deadline_s,
        )

    def train(self, source: str, *, seeds: int = 1, deadline_s: float = 60.0) -> "Ended":
        """Run ``source`` in a train room to its end, look at its weights there, and destroy the room."""
        with self.host.room("train", self.volume) as room:
            traces = Traces.of(self.host.api, room)
            outcome = rooms.train(room, self.request(room, seeds=seeds, deadline_s=deadline_s), source)
            told = all(report.failure for report in outcome.reports)
            handed = [] if told else rooms.handed_over(room, seeds)
        return Ended(_with_weights(outcome, handed), traces, handed)

    @contextmanager
    def executor(self, host: Host | None = None, places: int = 1) -> Iterator[LocalExecutor]:
        """``places``: pairs of rooms that may work at once, whatever other tests have on this machine."""
        used = host or self.host
        with Pool([used], self.volume, places) as pool:
            yield LocalExecutor(
                host=used, pool=pool, arrays=self.arrays, device="cpu", overrides={}, progress=SilentProgress()
            )


@dataclass(frozen=True)
class Traces:
    """By what a room could be found later."""

    container: str
    name: str
    volumes: frozenset[str]
    uid: int

    @classmethod
    def of(cls, api: docker.APIClient, room: Room) -> "Traces":
        identity = api.inspect_container(room.cage.name)["Id"]
        return cls(
            container=identity, name=room.cage.name, volumes=frozenset(cage.volumes(room.cage)), uid=room.cage.uid
        )

    def left(self, api: docker.APIClient) -> list[str]:
        """What is left of the room on engine and kernel; empty for one that is gone."""
        known = [c["Id"] for c in api.containers(all=True)]
        volumes = {v["Name"] for v in api.volumes().get("Volumes") or []}
        return [
            *(["container"] if self.container in known else []),
            *(["volume"] if self.volumes & volumes else []),
            *(f"process {pid}" for pid in processes_of(self.uid)),
            *cgroups_named(self.container),
        ]


@dataclass(frozen=True)
class Ended:
    outcome: rooms.Outcome
    traces: Traces
    weights: Sequence[Weights | Failure]
    """Of every seed; empty where all of them failed to train."""


def _with_weights(outcome: rooms.Outcome, handed: Sequence[Weights | Failure]) -> rooms.Outcome:
    """Where a seed says that it succeeded and its weights are not as agreed, that is its failure."""
    wrong = {i: found for i, found in enumerate(handed) if isinstance(found, Failure)}
    reports = (
        report.model_copy(update={"failure": report.failure or wrong.get(i)})
        for i, report in enumerate(outcome.reports)
    )
    return replace(outcome, reports=tuple(reports))


@dataclass(frozen=True)
class RecordingHost(Host):
    """A host that remembers the rooms it made, so that a test can look at them while they work."""

    made: list[Room] = field(default_factory=list)

    def room_as(self, cage: Cage) -> Room:
        self.made.append(super().room_as(cage))
        return self.made[-1]


def processes_of(uid: int) -> list[int]:
    """Processes of this machine that run as ``uid``; a room's uid belongs to no one else."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = status.read_text().splitlines()
        except OSError:  # ended meanwhile
            continue
        if any(line.startswith("Uid:") and str(uid) in line.split() for line in lines):
            found.append(int(status.parent.name))
    return found


def cgroups_named(container: str) -> list[str]:
    """Control groups of a container, on cgroup v1 and v2, with either driver."""
    patterns = (f"*/docker/{container}", f"docker/{container}", f"*/*/docker-{container}.scope")
    patterns += (f"*/docker-{container}.scope",)
    return [str(path) for pattern in patterns for path in Path("/sys/fs/cgroup").glob(pattern)]


def owned(api: docker.APIClient, label: str) -> list[str]:
    """Names of the containers and volumes that carry ``label`` (``key=value``)."""
    filters = {"label": [label]}
    containers = [c["Names"][0] for c in api.containers(all=True, filters=filters) if c["Names"]]
    return containers + [v["Name"] for v in api.volumes(filters=filters).get("Volumes") or []]


def events(api: docker.APIClient, since: float, **filters: str) -> list[dict[str, Any]]:
    """What the engine itself recorded since then (seconds since the epoch)."""
    listed = api.events(since=int(since), until=time.time() + 0.5, decode=True, filters=filters)
    return [event for event in listed if event["timeNano"] >= since * 1e9]


def wait_until(condition: Callable[[], Any], within_s: float, every_s: float = 0.05) -> bool:
    """Whether ``condition`` came true in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True


@contextmanager
def prepared(host: Host, source: Source, raw: Mapping[str, Path], folder: Path) -> Iterator[Lab]:
    """The data set in arrays and a volume of training data, as a run makes them, but in its plain order."""
    request = PrepareRequest(
        source=source, split_seed=0, validation_fraction=0.2, test_fraction=0.2, deadline_s=host.policy.prepare.wall_s
    )
    with host.room("prepare") as room:
        done = rooms.prepare(room, request, [Outgoing(name, path) for name, path in raw.items()], folder)
    assert isinstance(done.reply, PrepareReply)
    reply = done.reply
    dataset = Dataset(
        spec="test",
        task=reply.task,
        input_kind=reply.input_kind,
        input_shape=reply.input_shape,
        num_outputs=reply.num_outputs,
        encoding=reply.encoding,
        target=reply.target,
        arrays=reply.arrays,
        digests=dict(done.digests),
        source_digest="0" * 64,
        split_seed=0,
        facts=reply.facts,
    )
    files = {paths.array_file(n): folder / paths.array_file(f"train_{n}") for n in ("inputs", "targets")}
    digests = {name: seal.file_digest(path) for name, path in files.items()}
    with data_volume(host.api, host.owner, 3600.0) as volume:
        fill(host.api, volume, host.images.sandbox.image_id, files, digests)
        yield Lab(
            host=host, arrays=Arrays(dataset=dataset, folder=folder, scratch=folder, key=b"k" * 32), volume=volume
        )


# ---- the command line ----------------------------------------------------------------------------------------------


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(SOURCES), **changes}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from fumehood.cli import main; main()", *arguments]


def fumehood_cli(*arguments: str, within_s: float = 240.0, **changes: str) -> "subprocess.CompletedProcess[str]":
    """Run ``fumehood`` as a user does; its output never holds a traceback."""
    done = subprocess.run(
        command(*arguments), env=environment(**changes), capture_output=True, text=True, timeout=within_s, check=False
    )
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    return done


@contextmanager
def started(*arguments: str, **changes: str) -> Iterator["subprocess.Popen[str]"]:
    """``fumehood`` in the background; ended, if need be by force, with the context."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command(*arguments), env=environment(**changes), stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
