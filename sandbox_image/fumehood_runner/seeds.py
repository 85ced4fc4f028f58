"""One seed of a candidate, from its source to weights or to predictions, in the process forked for it.

Always holds: whatever the candidate does in Python ends in a ``WorkerReport``; only a job that is itself wrong (an
array of another size than announced) raises. The report is the candidate's own story and nobody should believe it. It
does not watch the clock from outside, capture output or end processes: the supervisor does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Tensor, nn

from fumehood_runner.arrays import ArrayError, read_array, write_float32
from fumehood_runner.candidate import Candidate, load_candidate
from fumehood_runner.eager import spare_the_compiler
from fumehood_runner.failures import CandidateFailed, failure_of
from fumehood_runner.memory import keep_freed_memory
from fumehood_runner.memory_format import prefer_channels_last
from fumehood_runner.outputs import answering, as_outputs, evaluating
from fumehood_runner.randomness import choose_algorithms, filling, row_order, seed_everything
from fumehood_runner.recipe import settle
from fumehood_runner.summary import probe
from fumehood_runner.train_slice import train_slice
from fumehood_runner.trainer import Curve, Deadline, TrainingData, fit, thinned
from fumehood_runner.weights import Layout, check_layout, layout_of, load_weights, save_weights
from fumehood_shared import caps, paths
from fumehood_shared.messages import (
    Failure,
    FailureKind,
    JobBase,
    ModelSummary,
    PredictRequest,
    Recipe,
    Task,
    TrainRequest,
    TrainSlice,
    WorkerReport,
)

Leave = Callable[[WorkerReport], None]
"""Keeps what a seed says of itself for whoever started it, should its process not live to say more."""

_LAST_RESERVE: Final = 0.05
"""Part of the deadline that is left for reporting when a trained model is asked about its training rows."""
_LOADED_LATE: Final = ("encodings.utf_8_sig", "numpy.ctypeslib", "numpy.random")
"""What Python loads when a seed first needs it: loaded once, before the seeds are forked."""


@dataclass(frozen=True)
class TrainingContext:
    """What a candidate's own ``train`` is told beside the data."""

    seed: int
    device: torch.device
    num_outputs: int
    deadline_s: float
    """Seconds left when ``train`` is called; at their end the whole room is gone, and what was not returned with it."""
    overrides: Mapping[str, Any]
    """Recipe fields that the user asked for, read-only. Whether ``train`` keeps to them is its own affair."""


@dataclass
class Story:
    """What is known of a seed so far; a failure on the way loses none of it."""

    index: int
    started: float
    candidate: Candidate | None = None
    summary: ModelSummary | None = None
    recipe: Recipe | None = None
    curve: Curve = field(default_factory=Curve)
    train_slice: TrainSlice | None = None
    no_train_slice_because: str = ""
    build_s: float = 0.0
    train_s: float = 0.0
    predict_s: float = 0.0
    started_after_s: float = 0.0

    def report(self, failure: Failure | None) -> WorkerReport:
        module = self.candidate.module.__dict__ if self.candidate else {}
        return WorkerReport(
            index=self.index,
            failure=failure,
            summary=self.summary,
            recipe=self.recipe,
            own_train=callable(module.get("train")),
            own_predict=callable(module.get("predict")),
            epochs=self.curve.epochs,
            train_loss=tuple(thinned(self.curve.train, caps.CURVE_POINTS)),
            held_out_loss=tuple(thinned(self.curve.held_out, caps.CURVE_POINTS)),
            train_slice=self.train_slice,
            no_train_slice_because=self.no_train_slice_because,
            build_s=self.build_s,
            train_s=self.train_s,
            predict_s=self.predict_s,
            started_after_s=self.started_after_s,
        )


def warm_up() -> None:
    """Load what a first training step loads lazily, before any job exists.

    Uses the CPU and one thread, so that no thread pool exists when the supervisor forks. Not for a room with a GPU:
    there a backward pass and an optimiser's step count the GPUs, whatever they compute on (see ``warm_up_on_gpu``).
    """
    _prepare_parent()
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    optimizer = torch.optim.AdamW(model.parameters())
    loss = nn.functional.cross_entropy(model(torch.zeros(2, 1, 4, 4)), torch.zeros(2, dtype=torch.int64))
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def warm_up_on_gpu() -> None:
    """What can be loaded beforehand where there is a GPU. Touches no CUDA: every worker initialises it for itself.

    Seen with a CUDA build of torch and a driver library that tells who calls it: ``warm_up`` initialises the driver,
    this does not.
    """
    _prepare_parent()
    with torch.no_grad():
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))(
            torch.zeros(2, 1, 4, 4)
        )


def _prepare_parent() -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    spare_the_compiler()
    for name in _LOADED_LATE:
        import_module(name)


@dataclass(frozen=True)
class Folders:
    """Where a job's files lie; in a room ``paths`` says it."""

    exchange: Path = Path(paths.EXCHANGE)
    data: Path = Path(paths.DATA)
    handover: Path = Path(paths.HANDOVER)


def train_seed(
    request: TrainRequest, index: int, folders: Folders, *, started: float, leave: Leave = lambda _: None
) -> WorkerReport:
    """Build and train ``in/model.py`` of the exchange, and write the seed's weights into the hand-over folder.

    The data folder holds ``inputs.bin`` and ``targets.bin``; ``started`` is ``time.monotonic()`` at the start signal.
    ``leave`` gets the report of a seed whose weights are written, before its model is asked about training rows.
    Raises ``ArrayError`` when those files are not as announced, and nothing for what the candidate does.
    """
    prepare_process(request, index)
    if request.inputs.shape[0] != request.targets.shape[0]:
        raise ArrayError(f"{request.inputs.shape[0]} rows of inputs but {request.targets.shape[0]} of targets")
    order = row_order(request.seeds[index], request.inputs.shape[0])
    rows = TrainingData(
        read_array(folders.data / paths.array_file("inputs"), request.inputs, order),
        read_array(folders.data / paths.array_file("targets"), request.targets, order),
    )
    story = Story(index, started)
    return _told(story, lambda: _train(request, story, folders, rows, leave))


def predict_seed(request: PredictRequest, index: int, folders: Folders, *, started: float) -> WorkerReport:
    """Rebuild the model, load the seed's weights, predict ``in/inputs.bin`` of the exchange.

    Writes ``out/seed-INDEX/predictions.bin`` there: raw float32 N x C. Raises ``ArrayError`` when the inputs are not
    as announced or the weights are absent, and nothing for what the candidate does.
    """
    prepare_process(request, index)
    inputs = read_array(folders.exchange / paths.IN / paths.array_file("inputs"), request.inputs)
    story = Story(index, started)
    return _told(story, lambda: _predict(request, story, folders, inputs))


def _told(story: Story, work: Callable[[], None]) -> WorkerReport:
    """The story of ``work``, however it ended."""
    try:
        work()
    except BaseException as error:  # noqa: BLE001 -- a candidate's SystemExit or KeyboardInterrupt is its failure
        return story.report(failure_of(error))
    return story.report(None)


def prepare_process(job: JobBase, index: int) -> None:
    """Before a byte of the candidate is read: its share of the threads, its seeds, torch's algorithms."""
    torch.set_num_threads(max(1, job.threads // job.at_once))
    choose_algorithms(job.deterministic)
    seed_everything(job.seeds[index].seed)


def _train(request: TrainRequest, story: Story, folders: Folders, rows: TrainingData, leave: Leave) -> None:
    candidate, model = build(request, story, folders.exchange)
    if candidate.train is None:
        story.recipe = settle(candidate, request)
    built = layout_of(model)
    data = TrainingData(rows.inputs.to(request.device), rows.targets.to(request.device))
    began = monotonic()
    story.started_after_s = began - story.started
    try:
        model = _trained(candidate, model, data, request, story)
    finally:
        story.train_s = monotonic() - began
    keep(model, built, folders.handover, story.index)
    leave(story.report(None))
    ask_about_training_rows(candidate, model, request, story, folders)


def keep(model: nn.Module, built: Layout, handover: Path, index: int) -> None:
    """Write a trained model's weights for the predict room, or raise ``CandidateFailed``."""
    check_layout(built, layout_of(model))
    save_weights(model, handover / paths.trained_weights(index))


def ask_about_training_rows(
    candidate: Candidate, model: nn.Module, request: TrainRequest, story: Story, folders: Folders
) -> None:
    """Note in ``story`` how the trained model answers the first rows of the training data, or why there is no telling.

    What the candidate raises here is no failure of the seed. For a model whose weights are written: its own ``predict``
    may do what it likes with it.
    """
    try:
        story.train_slice = _asked(candidate, model, request, story, folders)
    except BaseException as error:  # noqa: BLE001 -- as in ``_told``
        story.no_train_slice_because = failure_of(error).message


def _asked(candidate: Candidate, model: nn.Module, request: TrainRequest, story: Story, folders: Folders) -> TrainSlice:
    """Rows are read anew, since a candidate may have changed those that it was given."""
    first = torch.arange(min(request.inputs.shape[0], caps.TRAIN_SLICE_ROWS))
    inputs = read_array(folders.data / paths.array_file("inputs"), request.inputs, first)
    targets = read_array(folders.data / paths.array_file("targets"), request.targets, first)
    model = answering(model, request, candidate.train is not None)
    deadline = Deadline(story.started, request.deadline_s)
    return train_slice(_predictions(candidate, model, inputs, request, deadline=deadline), targets, request.task)


def build(job: JobBase, story: Story, exchange: Path) -> tuple[Candidate, nn.Module]:
    """Import, instantiate, move to the device, send the dummy batch through."""
    began = monotonic()
    try:
        story.candidate = candidate = load_candidate(exchange / paths.IN / paths.SOURCE)
        model = candidate.build(job).to(job.device)
        story.summary = probe(candidate, model, job)
    finally:
        story.build_s = monotonic() - began
    return candidate, model


def _trained(
    candidate: Candidate, model: nn.Module, data: TrainingData, request: TrainRequest, story: Story
) -> nn.Module:
    seed = request.seeds[story.index].seed
    deadline = Deadline(story.started, request.deadline_s)
    if candidate.train is not None:
        asked = {name: tuple(value) if isinstance(value, list) else value for name, value in request.overrides.items()}
        context = TrainingContext(
            seed=seed,
            device=torch.device(request.device),
            num_outputs=request.num_outputs,
            deadline_s=max(deadline.left(), 0.0),
            overrides=MappingProxyType(asked),
        )
        return _returned(candidate, model, candidate.train(model, data, context))
    if story.recipe is None:
        raise CandidateFailed(FailureKind.INTERFACE, "the candidate removed its train function while it was running")
    fit(model, data, story.recipe, request, seed=seed, deadline=deadline, curve=story.curve)
    return model


def _returned(candidate: Candidate, model: nn.Module, returned: Any) -> nn.Module:
    if returned is None:
        return model
    if not isinstance(returned, nn.Module):
        what = f"train returned a {type(returned).__name__}"
        raise candidate.fail(f"{what}; it has to return the trained torch.nn.Module, or None", "train")
    return returned


def _predict(request: PredictRequest, story: Story, folders: Folders, inputs: Tensor) -> None:
    candidate, model = build(request, story, folders.exchange)
    story.summary = None  # the train room told it; a reply has a byte cap
    load_weights(model, _weights(request, story.index, folders))
    model = answering(model, request, candidate.train is not None)
    began = monotonic()
    story.started_after_s = began - story.started
    try:
        predictions = _predictions(candidate, model, inputs, request, request.batch_size)
    finally:
        story.predict_s = monotonic() - began
    write_float32(folders.exchange / paths.OUT / paths.seed_dir(story.index) / paths.PREDICTIONS, predictions)


def _weights(request: PredictRequest, index: int, folders: Folders) -> Path:
    if request.handed_over:
        return folders.handover / paths.trained_weights(request.handed_over[index])
    return folders.exchange / paths.IN / paths.sent_weights(index)


def _predictions(
    candidate: Candidate,
    model: nn.Module,
    inputs: Tensor,
    request: JobBase,
    batch_size: int = caps.PREDICT_BATCH,
    deadline: Deadline | None = None,
) -> Tensor:
    """Float32 N x num_outputs on the CPU, all of it finite; gives up where a ``deadline`` is near."""
    predict = candidate.predict
    giver = "the model" if predict is None else "predict"
    found = torch.empty(len(inputs), request.num_outputs, dtype=torch.float32)
    done, took_s = 0, 0.0
    with evaluating(model), torch.inference_mode():
        form = torch.contiguous_format
        if predict is None:  # a candidate's own predict may do with its inputs what a trial on a model does not show
            form = prefer_channels_last(model, inputs[:2].to(request.device, copy=True), request)
        for batch in torch.split(inputs, batch_size):
            if deadline is not None and not deadline.allows(took_s, _LAST_RESERVE):
                message = f"the deadline was near after {done} of {len(inputs)} rows"
                raise CandidateFailed(FailureKind.TIMEOUT, message)
            began = monotonic()
            on_device = batch.to(request.device, memory_format=form)
            with filling(done == 0):
                raw = model(on_device) if predict is None else predict(model, on_device)
            found[done : done + len(batch)] = as_outputs(raw, len(batch), request, giver).float()
            done += len(batch)
            took_s = monotonic() - began
    _check_finite(found, request)
    return found


def _check_finite(predictions: Tensor, request: JobBase) -> None:
    bad = int((~torch.isfinite(predictions)).any(dim=1).sum())
    if bad:
        kind = "logits" if request.task is Task.CLASSIFICATION else "values"
        message = f"{bad} of {len(predictions)} rows have NaN or infinite {kind}"
        raise CandidateFailed(FailureKind.NON_FINITE, message)
