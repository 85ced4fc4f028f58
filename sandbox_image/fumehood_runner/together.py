"""All seeds of a candidate in one process on a GPU, their models trained as one, where that is sound.

Always holds: a seed keeps its own initialisation, rows and draws, and it is trained together with others only after its
first steps among them were seen to be those that it takes alone. Whatever stands in the way, in the candidate or in
torch, ends in reports that say why the seeds are to run alone: nothing is a failure here, and whoever starts them alone
starts from nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import torch

from fumehood_runner.arrays import read_array
from fumehood_runner.candidate import Candidate
from fumehood_runner.failures import failure_of, tidy
from fumehood_runner.randomness import Draws, row_order
from fumehood_runner.recipe import settle
from fumehood_runner.rehearsal import rehearsed
from fumehood_runner.seeds import (
    Folders,
    Leave,
    Story,
    ask_about_training_rows,
    build,
    keep,
    predict_seed,
    prepare_process,
)
from fumehood_runner.stacked import Declined
from fumehood_runner.stacked_steps import StackedSteps, Start
from fumehood_runner.trainer import Deadline, TrainingData, standardised
from fumehood_runner.weights import Layout, layout_of
from fumehood_shared import caps, paths
from fumehood_shared.messages import PredictRequest, Recipe, TrainRequest, WorkerReport


@dataclass
class _Mate:
    """One of the seeds."""

    story: Story
    candidate: Candidate
    recipe: Recipe
    built: Layout
    start: Start


def train_together(
    request: TrainRequest, folders: Folders, *, started: float, leave: Leave = lambda _: None
) -> list[WorkerReport]:
    """Do for every seed what ``train_seed`` does for one; all weights are written before a model is asked.

    A report that says ``alone`` is of a seed not yet trained.
    """
    try:
        mates = [_mate(request, index, folders.exchange, started) for index in range(len(request.seeds))]
        device = torch.device(request.device)
        inputs, targets = (
            read_array(folders.data / paths.array_file(n), getattr(request, n)) for n in ("inputs", "targets")
        )
        rows = standardised(TrainingData(inputs.to(device), targets.to(device)), request)
        if any(mate.recipe != mates[0].recipe for mate in mates):
            raise Declined("the seeds' recipes differ")
        run = rehearsed([mate.start for mate in mates], rows, mates[0].recipe, request)
        _train(run, mates, Deadline(started, request.deadline_s))
    except BaseException as error:  # noqa: BLE001 -- whatever a candidate raises, it raises alone as well
        return [_alone(index, error) for index in range(len(request.seeds))]
    kept = [_left(_kept(mate, run, folders.handover), leave) for mate in mates]
    return [
        report if report.failure or report.seeds_ran == "alone" else _asked(mate, request, folders)
        for mate, report in zip(mates, kept, strict=True)
    ]


def predict_together(request: PredictRequest, folders: Folders, *, started: float) -> list[WorkerReport]:
    """``predict_seed`` for every seed, in one process: what a GPU needs to get going is paid once."""
    reports = []
    for index in range(len(request.seeds)):
        report = predict_seed(request, index, folders, started=started)
        if report.own_predict:
            return [_alone(k, Declined("the candidate predicts itself")) for k in range(len(request.seeds))]
        why = report.failure and report.failure.message
        reports.append(_alone(index, Declined(why)) if why else report.model_copy(update={"seeds_ran": "together"}))
    return reports


def _mate(request: TrainRequest, index: int, exchange: Path, started: float) -> _Mate:
    prepare_process(request, index)
    story = Story(index, started)
    candidate, model = build(request, story, exchange)
    if candidate.train is not None:
        raise Declined("the candidate trains itself")
    story.recipe = recipe = settle(candidate, request)
    if recipe.early_stop_fraction:
        raise Declined("with early stopping each seed ends at an epoch of its own")
    if not any(p.requires_grad for p in model.parameters()):
        raise Declined("there is nothing to train")
    model.train()
    order = row_order(request.seeds[index], request.inputs.shape[0])
    return _Mate(story, candidate, recipe, layout_of(model), Start(model, order, Draws(torch.device(request.device))))


def _train(run: StackedSteps, mates: Sequence[_Mate], deadline: Deadline) -> None:
    began = monotonic()
    for mate in mates:
        mate.story.started_after_s = began - mate.story.started
    for epoch in range(1, run.recipe.epochs + 1):
        for mate, loss in zip(mates, run.epoch(), strict=True):
            mate.story.curve.train.append(loss)
        if len(run.lost) == len(mates) or not deadline.allows((monotonic() - began) / epoch):
            break
    for mate in mates:
        mate.story.train_s = monotonic() - began


def _kept(mate: _Mate, run: StackedSteps, handover: Path) -> WorkerReport:
    index = mate.story.index
    try:
        if index in run.lost:
            raise Declined(run.lost[index])
        keep(run.stacked.unstack(index), mate.built, handover, index)
    except BaseException as error:  # noqa: BLE001 -- as above
        return _alone(index, error)
    return _together(mate)


def _left(report: WorkerReport, leave: Leave) -> WorkerReport:
    try:
        leave(report)
    except BaseException as error:  # noqa: BLE001 -- as above
        return report.model_copy(update={"failure": failure_of(error)})
    return report


def _asked(mate: _Mate, request: TrainRequest, folders: Folders) -> WorkerReport:
    ask_about_training_rows(mate.candidate, mate.start.model, request, mate.story, folders)
    return _together(mate)


def _together(mate: _Mate) -> WorkerReport:
    return mate.story.report(None).model_copy(update={"seeds_ran": "together"})


def _alone(index: int, error: BaseException) -> WorkerReport:
    why = str(error) if isinstance(error, Declined) else failure_of(error).message
    return WorkerReport(index=index, alone_because=tidy(why, caps.MESSAGE_CHARS))
