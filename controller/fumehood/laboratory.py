"""A prepared data set, the rooms it is used in, and the measure of what comes out of them.

What research, a check and a replay share, so that a candidate meets the same seeds, the same secret orders of rows and
the same labels wherever it is tried.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fumehood.data import folds, order, seal
from fumehood.evidence import Evidence, Split, Tried, check_unchanged
from fumehood.executors import Executor, Job
from fumehood.executors.folded import FoldedExecutor, weights_files
from fumehood.executors.local import Arrays, LocalExecutor
from fumehood.progress import Progress
from fumehood.records import Comparison, Dataset, Design, Envelope, Score, SeedResult
from fumehood.sandbox.data_volume import data_volume, fill
from fumehood.sandbox.host import Host, state_folder
from fumehood.sandbox.pool import Pool
from fumehood.scoring.noise import SeedSpread
from fumehood_shared import paths
from fumehood_shared.messages import SeedSpec

_VOLUME_LIFETIME_S = 30 * 86_400.0


@contextmanager
def warm_rooms(host: Host, parallel: int = 1, splits: str = folds.HOLDOUT) -> Iterator[tuple[Pool, ...]]:
    """Rooms that begin to warm at once, before their data are prepared; see ``Laboratory.executor``.

    For ``parallel`` candidates at a time, each with its share of the CPUs and, where there are several, of the GPUs. So
    many rooms work at once as the machine has memory for, and the others' candidates wait. Each fold of ``splits`` has
    a pool with a volume of its own, of which the first one begins; without folds there is one.
    """
    places = host.at_once("train", "predict")
    with ExitStack() as stack:
        pools: list[Pool] = []
        for _ in range(folds.count(splits) or 1):
            volume = stack.enter_context(data_volume(host.api, host.owner, _VOLUME_LIFETIME_S))
            pool = Pool(host.shared_among(parallel), volume, places, at_once=not pools)
            pools.append(stack.enter_context(pool))
        yield tuple(pools)


@dataclass(frozen=True)
class Laboratory:
    host: Host
    sealed: Path
    """Folder with the arrays of ``dataset`` and the key of the orders of their rows. Nothing is written to it."""
    scratch: Path
    """Folder for copies of arrays while a room takes them in: made anew, closed to others, and removed at the end."""
    dataset: Dataset
    design: Design
    progress: Progress

    @contextmanager
    def executor(self, pools: Sequence[Pool]) -> Iterator[Executor]:
        """Rooms of ``pools`` for this data set, whose training rows their volumes now take.

        Raises UsageError if the arrays are not those that ``dataset`` speaks of.
        """
        Evidence(self.sealed, self.dataset).check()
        with _made_anew(self.scratch):
            each = tuple(self._rooms(*one) for one in zip(pools, self._arrays(), strict=True))
            yield FoldedExecutor(each) if self.dataset.folds else each[0]

    def _arrays(self) -> list[Arrays]:
        """Of every fold, or of the data set as a whole."""
        key, dataset = self._key(), self.dataset
        if not dataset.folds:
            return [Arrays(dataset=dataset, folder=self.sealed, scratch=self.scratch, key=key)]
        return [
            Arrays(dataset.fold(number), self.sealed, self.scratch, order.key_of_fold(key, number), number)
            for number in dataset.numbers
        ]

    def _rooms(self, pool: Pool, arrays: Arrays) -> LocalExecutor:
        self._fill(pool, arrays)
        return LocalExecutor(
            host=self.host,
            pool=pool,
            arrays=arrays,
            device=self.design.device,
            overrides=self.design.overrides,
            progress=self.progress,
        )

    def _fill(self, pool: Pool, arrays: Arrays) -> None:
        """The training rows in a secret order, in the volume of the pool's train rooms."""
        with TemporaryDirectory(dir=self.scratch) as folder:
            files = {}
            for name in ("inputs", "targets"):
                path, _ = arrays.shuffled(f"train_{name}", "train", Path(folder))
                files[paths.array_file(name)] = path
            digests = {name: seal.file_digest(path) for name, path in files.items()}
            fill(self.host.api, pool.data, self.host.images.sandbox.image_id, files, digests)

    def job(self, number: int, source: Path, digest: str, timeout_s: float | None, *, followed: bool = False) -> Job:
        """The candidate in the file ``source``. Raises UsageError unless it has the SHA-256 ``digest``."""
        check_unchanged(source, digest)
        content, seeds = source.read_bytes().decode(), self._seeds(self.design.seeds)
        return Job(number=number, source=content, seeds=seeds, timeout_s=timeout_s, followed=followed)

    def fresh_job(self, number: int, source: Path, digest: str, timeout_s: float | None) -> Job:
        """The same on fresh seeds, each in rooms of its own, so that their independence is no claim."""
        job = self.job(number, source, digest, timeout_s)
        return job.model_copy(update={"seeds": self._seeds(self.design.fresh_seeds), "isolated": True})

    def _seeds(self, seeds: Sequence[int]) -> tuple[SeedSpec, ...]:
        """The same for every candidate, so that comparisons are paired; orders of rows come from the secret key."""
        key = self._key()
        return tuple(SeedSpec(seed=seed, order=order.number(key, f"order of seed {seed}")) for seed in seeds)

    def predict_test(self, executor: Executor, job: Job, judged: Envelope, weights: Path, into: Path) -> Envelope:
        """Predictions for the sealed test inputs, with the weights in the folder ``weights`` that ``judged`` rests on.

        Seeds that failed before have none: they stay failed, and score as the baseline again.
        """
        alive = {seed.seed for seed in judged.seeds if seed.failure is None}
        for path, model in (found for seed in judged.seeds for found in weights_files(weights, seed)):
            check_unchanged(path, model.weights_digest)
        job = job.model_copy(update={"seeds": tuple(seed for seed in job.seeds if seed.seed in alive)})
        envelope = executor.predict(job, "test", weights, into)
        found = {seed.seed: seed for seed in envelope.seeds}
        seeds = (found.get(s.seed, SeedResult(seed=s.seed, failure=s.failure)) for s in judged.seeds)
        return envelope.model_copy(update={"seeds": tuple(seeds)})

    def open_seal(self, run_id: str) -> int:
        """Note in this user's ledger that the test labels are about to be used; the number of this opening."""
        ledger = seal.Ledger(state_folder() / "seal-ledger.jsonl")
        return ledger.record_opening(self.dataset.digests["test_inputs"], run_id)

    def expect_defined(self, *splits: Split) -> None:
        """What is to be measured can be measured on the rows of ``splits``. Raises as ``Evidence`` does."""
        Evidence(self.sealed, self.dataset).expect_defined(self.design, *splits)

    def score(self, envelope: Envelope, predictions: Path, split: Split) -> Score:
        """Measure predictions that lie in the folder ``predictions`` against the labels of ``split``."""
        evidence = Evidence(self.sealed, self.dataset)
        return evidence.score(Tried(envelope, predictions), split, self.design)

    def compare(self, new: Tried, old: Tried, split: Split, spread: SeedSpread | None) -> Comparison:
        """Whether ``new`` is better than ``old`` on the rows of ``split``."""
        return Evidence(self.sealed, self.dataset).compare(new, old, split, self.design, spread)

    def clearly_worse(self, new: Tried, rival: Tried, *, planned: int, spread: SeedSpread | None) -> bool:
        """Whether ``new``, of which ``planned`` seeds were planned, needs no more than it has."""
        evidence = Evidence(self.sealed, self.dataset)
        return evidence.clearly_worse(new, rival, self.design, planned=planned, spread=spread)

    def _key(self) -> bytes:
        return (self.sealed / seal.KEY).read_bytes()


@contextmanager
def _made_anew(folder: Path) -> Iterator[None]:
    """``folder``, empty, whatever a killed process left there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
