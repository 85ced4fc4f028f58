"""The same training and prediction through the executor: rooms are made, attested, used once and destroyed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import task
from fumehood import policy
from fumehood.executors import Job
from fumehood.executors.local import Arrays, LocalExecutor
from fumehood.progress import SilentProgress
from fumehood.records import Dataset
from fumehood.sandbox.cage import DataVolume
from fumehood.sandbox.data_volume import data_volume
from fumehood.sandbox.host import Host, open_host
from fumehood_shared import paths

_LIFETIME_S = 86_400.0


@dataclass(frozen=True)
class Timing:
    """One evaluation, in seconds."""

    whole_s: float
    """From the request to the envelope: both rooms made, attested, used and destroyed."""
    inside_s: float
    """From the start signal to the end of the job, of the train and of the predict room together."""
    train_ready_s: float
    """From the request of the train room to its accepted attestation; the predict room warms up beside it."""


@dataclass(frozen=True)
class Isolated:
    host: Host
    arrays: Arrays
    volume: DataVolume

    def evaluate(self, seeds: int, epochs: int) -> Timing:
        """Raises RuntimeError if a seed fails: a failed evaluation is quicker, and no measurement."""
        executor = LocalExecutor(
            host=self.host,
            arrays=self.arrays,
            training_data=self.volume,
            device="cpu",
            overrides={"epochs": epochs},
            progress=SilentProgress(),
        )
        job = Job(number=1, source=task.SOURCE, seeds=task.SEEDS[:seeds])
        with TemporaryDirectory(prefix="fumehood-bench-") as into:
            began = time.perf_counter()
            envelope = executor.evaluate(job, Path(into))
            whole = time.perf_counter() - began
        if failed := [seed.failure for seed in envelope.seeds if seed.failure]:
            raise RuntimeError(f"the evaluation in rooms failed: {failed[0]}")
        train, predict = envelope.rooms
        return Timing(whole_s=whole, inside_s=train.wall_s + predict.wall_s, train_ready_s=train.ready_s)


@contextmanager
def isolated(folder: Path, dataset: Dataset) -> Iterator[Isolated]:
    """An executor under the standard policy, its training data in their volume."""
    files = {paths.array_file(name): folder / paths.array_file(f"train_{name}") for name in ("inputs", "targets")}
    digests = {name: task.digest(path) for name, path in files.items()}
    with open_host(policy.load("standard"), "bench") as host:
        arrays = Arrays(dataset=dataset, folder=folder, scratch=folder, key=b"bench")
        image_id = host.images.sandbox.image_id
        with data_volume(host.api, host.owner, image_id, files, digests, _LIFETIME_S) as volume:
            yield Isolated(host, arrays, volume)
