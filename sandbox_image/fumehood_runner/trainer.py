"""The standard trainer: fits a model to tensors in memory as a recipe says.

Always holds: the curve tells what was done, epoch by epoch, also when training ends early or fails. Batches are whole
tensor operations (no loader, no loop over rows), and the device is waited for once per epoch. Regression is fitted to
standardised targets; whoever uses the model puts the scale back (``outputs.answering``).
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from math import isfinite
from time import monotonic
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from fumehood_runner.augment import augmented, mixup
from fumehood_runner.failures import CandidateFailed
from fumehood_runner.memory_format import prefer_channels_last
from fumehood_runner.optimization import lr_factor, make_optimizer, set_lr
from fumehood_runner.outputs import as_outputs, evaluating, scale_on
from fumehood_runner.randomness import choose_precision, filling
from fumehood_shared.messages import FailureKind, Recipe, Task, TrainRequest

_MIN_EVALUATION_BATCH: Final = 256
_RESERVE: Final = 0.1
"""Part of the deadline that is left for what follows training."""


class TrainingData(NamedTuple):
    """Training rows on the device: inputs N x ..., targets int64 N or float32 N x T."""

    inputs: Tensor
    targets: Tensor

    def rows(self, index: Tensor) -> "TrainingData":
        return TrainingData(self.inputs.index_select(0, index), self.targets.index_select(0, index))


@dataclass(frozen=True)
class Deadline:
    """``seconds`` of wall time from ``started`` (``time.monotonic``)."""

    started: float
    seconds: float

    def left(self) -> float:
        return self.seconds - (monotonic() - self.started)

    def allows(self, work_s: float, reserve: float = _RESERVE) -> bool:
        """Whether work of ``work_s`` seconds would still leave ``reserve``, a part of the whole time."""
        return self.left() - work_s >= reserve * self.seconds


@dataclass
class Curve:
    """What training has done so far: mean loss per row of every finished epoch."""

    train: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        return len(self.train)


def fit(
    model: nn.Module,
    data: TrainingData,
    recipe: Recipe,
    request: TrainRequest,
    *,
    seed: int,
    deadline: Deadline,
    curve: Curve,
) -> None:
    """Train ``model`` in place and fill ``curve``; a model without trainable parameters is left as it is.

    Stops after an epoch when another one would use up the last tenth of the deadline. Raises ``CandidateFailed``
    (non_finite) when a loss is NaN or infinite, and whatever the model raises.
    """
    if not any(p.requires_grad for p in model.parameters()):
        return
    if not model.training:
        model.train()
    data, held_out = _split(standardised(data, request), recipe.early_stop_fraction, seed)
    with torch.enable_grad():
        steps = Steps(model, data, recipe, request)
        best = _Best(recipe.early_stop_patience) if held_out else None
        began = monotonic()
        for _ in range(recipe.epochs):
            curve.train.append(_finite(steps.epoch(), curve, "training"))
            if held_out and best:
                curve.held_out.append(_finite(steps.evaluate(held_out), curve, "held-out"))
                if best.is_over(model, curve.held_out):
                    break
            if not deadline.allows((monotonic() - began) / curve.epochs):
                break
        if best:
            best.restore(model)


class Steps:
    """Passes over the data with one optimiser; counts steps for the learning-rate schedule."""

    def __init__(self, model: nn.Module, data: TrainingData, recipe: Recipe, request: TrainRequest) -> None:
        self.model, self.recipe, self.request = model, recipe, request
        choose_precision(recipe.mixed_precision)
        self.format = prefer_channels_last(model, data.inputs[:2].clone(), request)
        self.data = data._replace(inputs=self._formatted(data.inputs))
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(model, recipe)
        self.steps = recipe.epochs * len(batch_sizes(len(data.targets), recipe.batch_size))
        self.step = 0

    def epoch(self) -> float:
        """One pass over the data in a fresh order; the mean loss per row."""
        total = torch.zeros((), device=self.data.inputs.device)
        for index in self.batches():
            total += self.train(index) * len(index)
        return float(total) / len(self.data.targets)

    def batches(self) -> tuple[Tensor, ...]:
        """Rows of each batch of an epoch, in an order drawn now."""
        rows = len(self.data.targets)
        order = torch.randperm(rows, device="cpu").to(self.data.inputs.device)
        return torch.split(order, batch_sizes(rows, self.recipe.batch_size))

    def evaluate(self, data: TrainingData) -> float:
        """Mean loss per row, without label smoothing, in eval mode."""
        total = torch.zeros((), device=data.inputs.device)
        size = max(self.recipe.batch_size, _MIN_EVALUATION_BATCH)
        with evaluating(self.model), torch.no_grad():
            for inputs, targets in zip(torch.split(data.inputs, size), torch.split(data.targets, size), strict=True):
                outputs = self._outputs(self._formatted(inputs.clone()))  # a model may write into what it is given
                total += self._loss(outputs, targets, 0.0) * len(targets)
        return float(total) / len(data.targets)

    def train(self, index: Tensor) -> Tensor:
        """One step on the rows of ``index``; their mean loss, on the device."""
        with filling(self.step == 0):
            set_lr(self.optimizer, self.recipe.lr * lr_factor(self.recipe, self.step, self.steps))
            loss = self._batch_loss(self.data.rows(index))
            self.optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            if self.recipe.grad_clip:
                nn.utils.clip_grad_norm_(self.parameters, self.recipe.grad_clip)
            self.optimizer.step()
        self.step += 1
        return loss.detach()

    def _batch_loss(self, batch: TrainingData) -> Tensor:
        names, smoothing = self.recipe.augment, self.recipe.label_smoothing
        inputs = augmented(batch.inputs, names)
        if "mixup" not in names:
            return self._loss(self._outputs(self._formatted(inputs)), batch.targets, smoothing)
        inputs, other, weight = mixup(inputs)
        outputs = self._outputs(self._formatted(inputs))
        own = self._loss(outputs, batch.targets, smoothing)
        return weight * own + (1 - weight) * self._loss(outputs, batch.targets[other], smoothing)

    def _outputs(self, inputs: Tensor) -> Tensor:
        mixed = self.recipe.mixed_precision and self.request.device == "cuda"
        with torch.autocast("cuda", torch.bfloat16) if mixed else nullcontext():
            outputs = self.model(inputs)
        return as_outputs(outputs, len(inputs), self.request, "the model").float()

    def _loss(self, outputs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        if self.request.task is Task.REGRESSION:
            return nn.functional.mse_loss(outputs, targets)
        return nn.functional.cross_entropy(outputs, targets, label_smoothing=smoothing)

    def _formatted(self, inputs: Tensor) -> Tensor:
        return inputs.contiguous(memory_format=self.format) if self.format is torch.channels_last else inputs


class _Best:
    """The weights of the epoch with the lowest held-out loss, and how long ago that was."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.epoch = 0
        self.state: dict[str, Tensor] = {}

    def is_over(self, model: nn.Module, losses: list[float]) -> bool:
        """Note the latest epoch; true when ``patience`` epochs have gone by without a lower loss."""
        if not self.state or losses[-1] < losses[self.epoch]:
            self.epoch = len(losses) - 1
            self.state = {n: t.detach().clone() for n, t in model.state_dict().items() if isinstance(t, Tensor)}
        return len(losses) - 1 - self.epoch >= self.patience

    def restore(self, model: nn.Module) -> None:
        with torch.no_grad():
            for name, tensor in model.state_dict().items():
                if name in self.state:
                    tensor.copy_(self.state[name])


def standardised(data: TrainingData, request: TrainRequest) -> TrainingData:
    """Regression targets as float32 N x T with mean 0 and standard deviation 1; classes stay."""
    if request.task is not Task.REGRESSION:
        return data
    targets = data.targets.reshape(len(data.targets), request.num_outputs)
    if request.target_scale is None:
        return data._replace(targets=targets)
    mean, std = scale_on(request.target_scale, targets.device)
    return data._replace(targets=(targets - mean) / std)


def _split(data: TrainingData, fraction: float, seed: int) -> tuple[TrainingData, TrainingData | None]:
    """The rows to train on and those kept back to stop early: a random slice drawn from ``seed``, or None."""
    rows = len(data.targets)
    kept_back = min(max(round(fraction * rows), 1), rows - 1) if fraction else 0
    if not kept_back:
        return data, None
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed)).to(data.targets.device)
    return data.rows(order[kept_back:]), data.rows(order[:kept_back])


def batch_sizes(rows: int, size: int) -> list[int]:
    """Sizes of the batches of an epoch; a last row alone joins the batch before it, as BatchNorm needs two."""
    sizes = [size] * (rows // size) + [rows % size] * (rows % size > 0)
    if len(sizes) > 1 and sizes[-1] == 1 < size:
        return [*sizes[:-2], size + 1]
    return sizes


def _finite(loss: float, curve: Curve, which: str) -> float:
    if isfinite(loss):
        return loss
    epoch = max(curve.epochs, 1) if which == "held-out" else curve.epochs + 1
    message = f"the {which} loss became {loss} in epoch {epoch}; try a lower learning rate or gradient clipping"
    raise CandidateFailed(FailureKind.NON_FINITE, message)


def thinned(values: list[float], limit: int) -> Iterator[float]:
    """At most ``limit`` of ``values``, evenly spread, the first and the last among them."""
    if len(values) <= limit:
        yield from values
        return
    for place in range(limit):
        yield values[round(place * (len(values) - 1) / (limit - 1))]
