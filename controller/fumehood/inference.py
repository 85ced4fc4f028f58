"""The winner of a run on new rows: encoded as its training rows were, predicted in a room, averaged over its seeds.

With folds every model of a seed predicts, each in rooms of its fold, and they are averaged as on the sealed test.

Every row is asked once: the winner was looked at twice when it was judged, and nothing is judged here.
"""

import csv
import hashlib
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from fumehood import rooms, text
from fumehood.data import folds, order, seal, specs
from fumehood.errors import DataError, InternalError, NoCandidateError, UsageError
from fumehood.executors.folded import weights_files, weights_folder
from fumehood.executors.local import job_fields, weights_file
from fumehood.journal import fold, lines
from fumehood.records import Dataset, Envelope, Iteration
from fumehood.run_directory import RunDirectory
from fumehood.sandbox import exchange
from fumehood.sandbox import gpus as host_gpus
from fumehood.sandbox.exchange import Outgoing, Rejected
from fumehood.sandbox.host import Host, open_host
from fumehood_shared import paths
from fumehood_shared.messages import EncodeReply, EncodeRequest, PredictRequest, SeedSpec, Task


@dataclass(frozen=True)
class Predictions:
    """N rows in the file's order. ``values``: N x C probabilities, or N x T in the target's units; mean over seeds."""

    dataset: Dataset
    values: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]
    """Sample standard deviation over seeds, same shape; zeros with one seed."""
    notes: tuple[str, ...]

    def write(self, file: IO[str]) -> None:
        """CSV: row number from 1, prediction, and what it rests on."""
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["row", *map(text.csv_cell, self._columns())])
        for number, (row, spread) in enumerate(zip(self.values, self.spread, strict=True), start=1):
            table.writerow([number, *self._cells(row, spread)])

    def _columns(self) -> list[str]:
        name = self.dataset.target.name
        if self.dataset.task is Task.CLASSIFICATION:
            return [name, *(f"probability of {label}" for label in self.dataset.target.classes)]
        return (
            [name, f"{name} std over seeds"]
            if self.values.shape[1] == 1
            else [f"{name} {k}" for k in range(self.values.shape[1])]
        )

    def _cells(self, row: npt.NDArray[np.float64], spread: npt.NDArray[np.float64]) -> list[str]:
        numbers = [f"{value:.6g}" for value in row]
        if self.dataset.task is Task.CLASSIFICATION:
            return [text.csv_cell(self.dataset.target.classes[int(row.argmax())]), *numbers]
        return [*numbers, f"{spread[0]:.6g}"] if len(row) == 1 else numbers


def predict(directory: RunDirectory, spec_text: str, gpus: str | None = None) -> Predictions:
    """Run the winner of ``directory`` on the rows that ``spec_text`` names.

    ``gpus`` as in ``gpus.resolve``, but that None takes those of the run: another device may round otherwise.

    Raises UsageError for a run that is not finished or was altered, DataError for rows that do not fit the training
    data, NoCandidateError if the run has no winner or it fails on these rows.
    """
    state = fold(lines(directory.journal))
    policy, dataset, winner = state.limits(), state.run.dataset, state.run.best()
    if state.run.finished_at is None:
        raise UsageError(f"the run in {directory.path} is not finished", f"fumehood resume {directory.path}")
    if winner is None or dataset is None:
        raise NoCandidateError(f"the run in {directory.path} has no winner", "start another run")
    source, alive = _winner(directory, winner, state.run.winning() or winner.envelope)
    spec = specs.for_new_rows(spec_text, int(policy.raw_data))
    uuids = state.run.settings.gpus if gpus is None else host_gpus.resolve(gpus, policy)
    parts = [(dataset.fold(k), weights_folder(directory.winner_weights, k)) for k in dataset.numbers]
    found: list[list[npt.NDArray[np.float32]]] = []
    notes: list[str] = []
    with open_host(policy, state.run.run_id, uuids=uuids) as host:
        for part, weights in parts or [(dataset, directory.winner_weights)]:
            with tempfile.TemporaryDirectory() as scratch:
                encoded = _encode(host, part, spec, Path(scratch))
                found.append(_run(host, part, source, alive, weights, encoded, Path(scratch)))
                notes += encoded.facts.notes
    outputs = [folds.averaged(models, dataset.task) for models in zip(*found, strict=True)]
    values = np.stack([softmax(o, axis=1) if dataset.task is Task.CLASSIFICATION else o for o in outputs])
    spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros_like(values[0])
    return Predictions(dataset, values.mean(axis=0), spread, tuple(dict.fromkeys(notes)))


def _winner(directory: RunDirectory, winner: Iteration, judged: Envelope) -> tuple[str, list[SeedSpec]]:
    """The winner's source and the seeds that have weights, each with the digest that the journal says.

    ``judged``: what the sealed test was measured with.
    """
    source = directory.winner_source.read_bytes() if directory.winner_source.is_file() else b""
    if hashlib.sha256(source).hexdigest() != winner.source_digest:
        raise UsageError(
            f"{directory.winner_source} is not what the journal says", "it was changed; take it from a backup"
        )
    alive = [seed for seed in judged.seeds if seed.models]
    for path, model in (found for seed in alive for found in weights_files(directory.winner_weights, seed)):
        if not path.is_file() or seal.file_digest(path) != model.weights_digest:
            raise UsageError(f"{path} is not what the journal says", "it was changed; take it from a backup")
    return source.decode(), [SeedSpec(seed=seed.seed, order=0) for seed in alive]


def _encode(host: Host, dataset: Dataset, spec: specs.DataSpec, into: Path) -> EncodeReply:
    request = EncodeRequest(source=spec.source, encoding=dataset.encoding, deadline_s=host.policy.prepare.wall_s)
    with host.room("prepare") as room:
        prepared = rooms.prepare(room, request, [Outgoing(name, path) for name, path in spec.files], into)
    reply = prepared.reply
    if not isinstance(reply, EncodeReply) or "inputs" not in reply.arrays:
        raise InternalError("the prepare room answered another question")
    if reply.arrays["inputs"].shape[1:] != dataset.input_shape or not reply.arrays["inputs"].shape[0]:
        raise DataError(
            f"the new rows have shape {reply.arrays['inputs'].shape}", f"expected rows of {dataset.input_shape}"
        )
    return reply


def _run(
    host: Host,
    dataset: Dataset,
    source: str,
    seeds: Sequence[SeedSpec],
    stored: Path,
    encoded: EncodeReply,
    scratch: Path,
) -> list[npt.NDArray[np.float32]]:
    """Predictions of every seed with its ``stored`` weights, N x outputs each, in the file's order."""
    spec = encoded.arrays["inputs"]
    permutation = order.permutation(secrets.token_bytes(32), "predict", spec.shape[0])
    inputs = scratch / "shuffled.bin"
    order.permute_file(scratch / paths.array_file("inputs"), inputs, spec, permutation)
    files = [scratch / f"predictions-{i}" for i in range(len(seeds))]
    weights = [weights_file(stored, seed.seed) for seed in seeds]
    with host.room("predict") as room:
        fields = job_fields(dataset, seeds, "cuda" if host.grant else "cpu", room.cage.threads)
        request = PredictRequest(**fields, inputs=spec, deadline_s=room.cage.limits.wall_s)
        outcome = rooms.predict(room, request, source, weights, inputs, files)
    outputs = []
    for i, report in enumerate(outcome.reports):
        if report.failure is not None:
            why = f"{report.failure.kind.value}: {report.failure.message}"
            raise NoCandidateError(
                f"the winner fails on these rows: {why}", "check the rows, or a longer predict.wall_s"
            )
        try:
            array = exchange.read_predictions(files[i], len(permutation), dataset.num_outputs)
        except Rejected as error:
            raise NoCandidateError(f"the winner fails on these rows: {error}", "check the rows") from error
        outputs.append(order.unpermute(array, permutation))
    return outputs
