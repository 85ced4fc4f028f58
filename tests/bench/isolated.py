"""The same training and prediction through the executor, in rooms that are made for it or that were warm already."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import task
from fumehood.evidence import Evidence, Tried
from fumehood.executors import Job
from fumehood.executors.local import Arrays, LocalExecutor
from fumehood.policy import Policy
from fumehood.progress import SilentProgress
from fumehood.records import Dataset, Design
from fumehood.sandbox import exchange
from fumehood.sandbox.cage import DataVolume
from fumehood.sandbox.data_volume import data_volume, fill
from fumehood.sandbox.exchange import Outgoing
from fumehood.sandbox.host import Host, open_host
from fumehood.sandbox.pool import Pool
from fumehood.sandbox.room import Ending
from fumehood_shared import caps, paths
from fumehood_shared.messages import JobReply, TrainRequest

_LIFETIME_S = 86_400.0


@dataclass(frozen=True)
class Timing:
    """One evaluation, in seconds."""

    whole_s: float
    """From the request to the score. Rooms that were not warm are made in it."""
    inside_s: float
    """From start signal to end of job, summed over train and predict rooms. Seeds in rooms of their own overlap."""
    train_ready_s: float
    """From the request of a train room to its accepted attestation."""


@dataclass(frozen=True)
class Isolated:
    host: Host
    arrays: Arrays
    volume: DataVolume

    def evaluate(self, seeds: int, epochs: int, *, warm: bool) -> Timing:
        """Raises RuntimeError if a seed fails: a failed evaluation is quicker, and no measurement."""
        job = Job(number=1, source=task.SOURCE, seeds=task.SEEDS[:seeds])
        began = time.perf_counter()
        with TemporaryDirectory(prefix="fumehood-bench-") as folder, self._pool(seeds) as pool:
            into = Path(folder)
            executor = LocalExecutor(
                host=self.host,
                pool=pool,
                arrays=self.arrays,
                device="cpu",
                overrides={"epochs": epochs},
                progress=SilentProgress(),
            )
            if warm:
                pool.settle()
                began = time.perf_counter()
            envelope = executor.evaluate(job, into)
            if failed := [seed.failure for seed in envelope.seeds if seed.failure]:
                raise RuntimeError(f"the evaluation in rooms failed: {failed[0]}")
            evidence = Evidence(self.arrays.folder, self.arrays.dataset)
            design = Design(metric="accuracy", seeds=(0,), confidence_level=0.95, device="cpu")
            evidence.score(Tried(envelope, into / "predictions"), "validation", design)
            whole = time.perf_counter() - began
        rooms = envelope.rooms
        return Timing(whole, sum(room.wall_s for room in rooms), max(r.ready_s for r in rooms if r.role == "train"))

    @contextmanager
    def _pool(self, seeds: int) -> Iterator[Pool]:
        """Rooms that begin to warm, as many as one evaluation takes and no more."""
        alone = not self.host.policy.isolate_seeds
        places = 1 if alone else self.host.at_once("train", "predict")
        with Pool([self.host], self.volume, places) as pool:
            pool.foresee(1 if alone else seeds)
            yield pool

    def first_step_s(self, *, warm: bool) -> float:
        """Seconds from the request to the first training step of the first of three seeds that gets there.

        Up to the start signal by our clock; from there by the room's own, which is a claim, of a candidate of ours.
        """
        specs = task.specs()
        threads = self.host.cpus
        request = TrainRequest(
            **task.job(len(task.SEEDS), threads), inputs=specs["train_inputs"], targets=specs["train_targets"]
        )
        files = [
            Outgoing(paths.REQUEST, request.model_dump_json().encode()),
            Outgoing(paths.SOURCE, task.SOURCE.encode()),
        ]
        asked = time.perf_counter()
        with self.host.room("train", self.volume) as room:
            if warm:
                room.ready()
                asked = time.perf_counter()
            room.ready()
            room.send(files)
            signalled = time.perf_counter()
            if room.work(request.deadline_s) is not Ending.REPORTED:
                raise RuntimeError("the room did not report")
            reply = exchange.parse(room.read(paths.RESULT, caps.RESULT_BYTES), JobReply, caps.RESULT_BYTES)
        if failed := [report.failure for report in reply.reports if report.failure]:
            raise RuntimeError(f"training in a room failed: {failed[0]}")
        return signalled - asked + min(report.started_after_s for report in reply.reports)


@contextmanager
def isolated(folder: Path, dataset: Dataset, policies: Policy) -> Iterator[Isolated]:
    """An executor under ``policies``, its training data in their volume."""
    files = {paths.array_file(name): folder / paths.array_file(f"train_{name}") for name in ("inputs", "targets")}
    digests = {name: task.digest(path) for name, path in files.items()}
    arrays = Arrays(dataset=dataset, folder=folder, scratch=folder, key=b"bench")
    with open_host(policies, "bench") as host, data_volume(host.api, host.owner, _LIFETIME_S) as volume:
        fill(host.api, volume, host.images.sandbox.image_id, files, digests)
        yield Isolated(host, arrays, volume)
