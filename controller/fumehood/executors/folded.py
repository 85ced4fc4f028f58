"""Evaluates candidates on folds: one executor a fold, one after the other, and what they bring as one envelope.

Every fold has rooms, a volume of training rows, orders of rows and a second look of its own. No room of a fold works
while a room of another one does, since the others' training rows are among those that it is asked about. A seed that
fails on one fold has failed, and is not tried on those that follow. What leaves here looks as without folds, but that a
seed has weights of every fold.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fumehood.data import folds
from fumehood.data.seal import file_digest
from fumehood.executors import Job
from fumehood.executors.local import LocalExecutor, predictions_file, weights_file
from fumehood.records import Envelope, SecondLook, SeedResult
from fumehood_shared import caps
from fumehood_shared.messages import Failure

_LOG_TAIL = 4000
_PARTS = "folds"


def weights_folder(folder: Path, fold: int) -> Path:
    """Where the weights of a fold's models lie among those of all folds."""
    return folder / f"fold-{fold}"


def weights_files(folder: Path, seed: SeedResult) -> list[tuple[Path, SeedResult]]:
    """Each file of weights that a seed left in ``folder``, and the result whose weights these are."""
    if not seed.folds:
        return [(weights_file(folder, seed.seed), model) for model in seed.models]
    return [(weights_file(weights_folder(folder, k), seed.seed), model) for k, model in enumerate(seed.models, start=1)]


@dataclass(frozen=True)
class FoldedExecutor:
    """An ``Executor``. Weights of the fold F, from 1, are in ``weights/fold-F`` and not in ``weights``."""

    folds: tuple[LocalExecutor, ...]
    """In their order, each with a pool of its own."""

    def at_once(self, job: Job) -> int:
        return self.folds[0].at_once(job)

    def abandon(self) -> None:
        for fold in self.folds:
            fold.abandon()

    def evaluate(self, job: Job, into: Path) -> Envelope:
        with _parts(into) as parts:
            envelopes = self._evaluated(job, parts)
            joined = self._joined(job, "validation", envelopes, parts, into)
            _keep_weights(joined, parts, into / "weights")
        return joined

    def predict(self, job: Job, split: Literal["validation", "test"], weights: Path, into: Path) -> Envelope:
        with _parts(into) as parts:
            envelopes = [
                fold.predict(job, split, weights_folder(weights, number), parts / f"{number}")
                for number, fold in enumerate(self.folds, start=1)
            ]
            return self._joined(job, split, envelopes, parts, into)

    def _evaluated(self, job: Job, parts: Path) -> list[Envelope]:
        """Of every fold, as long as there are seeds that no fold before it saw fail."""
        envelopes: list[Envelope] = []
        seeds = job.seeds
        for number, fold in enumerate(self.folds, start=1):
            if job.followed or number < len(self.folds):
                self.folds[number % len(self.folds)].pool.foresee()
            (parts / f"{number}").mkdir()
            found = fold.evaluate(job.model_copy(update={"seeds": seeds, "followed": False}), parts / f"{number}")
            envelopes.append(found)
            alive = {seed.seed for seed in found.seeds if seed.failure is None}
            seeds = tuple(seed for seed in seeds if seed.seed in alive)
            if not seeds:
                break
        return envelopes

    def _joined(
        self, job: Job, split: Literal["validation", "test"], envelopes: Sequence[Envelope], parts: Path, into: Path
    ) -> Envelope:
        (into / "predictions").mkdir(exist_ok=True)
        by_seed = [{seed.seed: seed for seed in envelope.seeds} for envelope in envelopes]
        tails = [(number, one.log_tail) for number, one in enumerate(envelopes, start=1) if one.log_tail]
        return Envelope(
            source_digest=job.source_digest,
            seeds=tuple(
                self._seed(split, [found[seed.seed] for found in by_seed if seed.seed in found], parts, into)
                for seed in job.seeds
            ),
            rooms=tuple(room for one in envelopes for room in one.rooms),
            log_tail="\n".join(f"fold {number}:\n{tail}" for number, tail in tails)[-_LOG_TAIL:],
        )

    def _seed(
        self, split: Literal["validation", "test"], found: Sequence[SeedResult], parts: Path, into: Path
    ) -> SeedResult:
        """One seed of all folds; its predictions are written where it did not fail."""
        last = found[-1]
        joined = SeedResult(
            seed=last.seed,
            parameters=max((one.parameters for one in found if one.parameters is not None), default=None),
            train_claims=found[0].train_claims,
            predict_claims=found[0].predict_claims,
            second_look=_second_look(found),
            folds=tuple(found),
        )
        failed = next((number for number, one in enumerate(found, start=1) if one.failure), None)
        if failed is not None:
            one = found[failed - 1]
            changes = {"train_claims": one.train_claims, "predict_claims": one.predict_claims}
            return joined.model_copy(update={**changes, "failure": _of_fold(one.failure, failed, len(self.folds))})
        outputs = [self._answers(parts / f"{number}", last.seed) for number in range(1, len(found) + 1)]
        target = predictions_file(into / "predictions", last.seed)
        target.write_bytes(folds.joined(split, outputs, self.folds[0].arrays.dataset.task).tobytes())
        return joined.model_copy(update={"predictions_digest": file_digest(target)})

    def _answers(self, part: Path, seed: int) -> NDArray[np.float32]:
        file = predictions_file(part / "predictions", seed)
        return np.fromfile(file, dtype="<f4").reshape(-1, self.folds[0].arrays.dataset.num_outputs)


def _of_fold(failure: Failure | None, number: int, count: int) -> Failure | None:
    if failure is None:
        return None
    message = f"on fold {number} of {count}: {failure.message}"
    return failure.model_copy(update={"message": message[: caps.MESSAGE_CHARS]})


def _second_look(found: Sequence[SeedResult]) -> SecondLook | None:
    """Of all folds' rows; None where nothing was looked at."""
    looks = [one.second_look for one in found if one.second_look]
    if not looks:
        return None
    return SecondLook(
        repeated=sum(look.repeated for look in looks),
        disagreeing=sum(look.disagreeing for look in looks),
        largest=max(look.largest for look in looks),
        shaken=sum(look.shaken for look in looks),
        flipped=sum(look.flipped for look in looks),
    )


def _keep_weights(envelope: Envelope, parts: Path, folder: Path) -> None:
    """Put the weights of seeds that did not fail where all folds' are."""
    folder.mkdir(exist_ok=True)
    for seed in envelope.seeds:
        for number in range(1, len(seed.models) + 1):
            weights_folder(folder, number).mkdir(exist_ok=True)
            made = weights_file(parts / f"{number}" / "weights", seed.seed)
            made.replace(weights_file(weights_folder(folder, number), seed.seed))


@contextmanager
def _parts(into: Path) -> Iterator[Path]:
    """A folder for what each fold leaves, as long as that is not joined."""
    parts = into / _PARTS
    shutil.rmtree(parts, ignore_errors=True)  # what a killed process left there
    parts.mkdir(parents=True)
    try:
        yield parts
    finally:
        shutil.rmtree(parts, ignore_errors=True)
