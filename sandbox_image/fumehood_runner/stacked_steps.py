"""Training steps of several seeds at once: what ``trainer.Steps`` does for one, for models that are stacked.

Always holds: every seed sees its own rows in its own order, changed by its own draws, at the learning rate of the step
that all are at. The device is waited for once an epoch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor, nn

from fumehood_runner.augment import augmented, mixup
from fumehood_runner.optimization import lr_factor, make_optimizer, set_lr
from fumehood_runner.outputs import as_outputs
from fumehood_runner.randomness import Draws, choose_precision, filling
from fumehood_runner.stacked import Stacked
from fumehood_runner.trainer import TrainingData, batch_sizes
from fumehood_shared.messages import Recipe, Task, TrainRequest


@dataclass
class Start:
    """A seed that was built as it is built alone, and has drawn nothing since."""

    model: nn.Module
    order: Tensor
    """Of the rows (int64)."""
    draws: Draws


class StackedSteps:
    """Passes over the data with one optimiser for all seeds; ``lost`` says why a seed is out, by its place."""

    def __init__(
        self,
        starts: Sequence[Start],
        data: TrainingData,
        recipe: Recipe,
        request: TrainRequest,
        form: torch.memory_format,
    ) -> None:
        choose_precision(recipe.mixed_precision)
        self.data, self.recipe, self.request = data, recipe, request
        self.orders = [start.order for start in starts]
        self.draws = [start.draws.again() for start in starts]
        self.stacked = Stacked([start.model for start in starts], self.draws, form)
        self.optimizer = make_optimizer(starts[0].model, recipe, self.stacked.instead())
        self.sizes = batch_sizes(len(data.targets), recipe.batch_size)
        self.steps, self.step = recipe.epochs * len(self.sizes), 0
        self.lost: dict[int, str] = {}

    def epoch(self) -> list[float]:
        """One pass over the data, each seed in an order of its own; the mean loss per row of each.

        A seed whose loss is not finite is lost, and so is whoever it may have taken along.
        """
        total = torch.zeros(len(self.orders), device=self.data.inputs.device)
        for index in self.batches():
            total += self.train(index) * index.shape[1]
        losses: list[float] = (total / len(self.data.targets)).tolist()
        for place, loss in enumerate(losses):
            if not isfinite(loss):
                self.lost.setdefault(place, f"among the others its loss became {loss}")
        for place in self.lost:
            self.stacked.silence(place, self.optimizer)
        return losses

    def batches(self) -> Sequence[Tensor]:
        """Rows of each batch of an epoch, seeds x rows."""
        drawn = []
        for order, draws in zip(self.orders, self.draws, strict=True):
            with draws:
                drawn.append(order[torch.randperm(len(order), device="cpu")])
        return torch.split(torch.stack(drawn).to(self.data.inputs.device), self.sizes, dim=1)

    def train(self, index: Tensor) -> Tensor:
        """One step of every seed on its rows; the mean loss of each, on the device."""
        with filling(self.step == 0):
            set_lr(self.optimizer, self.recipe.lr * lr_factor(self.recipe, self.step, self.steps))
            losses = self._losses(index)
            self.optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(losses.sum())
            if self.recipe.grad_clip:
                self.stacked.clip_gradients(self.recipe.grad_clip)
            self.optimizer.step()
        self.step += 1
        return losses.detach()

    def _losses(self, index: Tensor) -> Tensor:
        inputs, targets = (t.index_select(0, index.flatten()).view(*index.shape, *t.shape[1:]) for t in self.data)
        if "mixup" not in self.recipe.augment:
            return self._loss(self._outputs(torch.stack(list(self._augmented(inputs)))), targets)
        mixed = []
        for own, draws in zip(self._augmented(inputs), self.draws, strict=True):
            with draws:
                mixed.append(mixup(own))
        outputs = self._outputs(torch.stack([own for own, _, _ in mixed]))
        others = torch.stack([of[other] for of, (_, other, _) in zip(targets, mixed, strict=True)])
        weight = torch.stack([torch.full((), weight, device=outputs.device) for _, _, weight in mixed])
        return weight * self._loss(outputs, targets) + (1 - weight) * self._loss(outputs, others)

    def _augmented(self, inputs: Tensor) -> Iterator[Tensor]:
        for own, draws in zip(inputs, self.draws, strict=True):
            with draws:
                changed = augmented(own, self.recipe.augment)
            yield changed

    def _outputs(self, inputs: Tensor) -> Tensor:
        mixed = self.recipe.mixed_precision and self.request.device == "cuda"
        with torch.autocast(self.request.device, torch.bfloat16, enabled=mixed, cache_enabled=False):
            outputs = self.stacked(inputs).flatten(0, 1)
        outputs = as_outputs(outputs, len(outputs), self.request, "the model").float()
        return outputs.view(*inputs.shape[:2], -1)

    def _loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if self.request.task is Task.REGRESSION:
            return (outputs - targets).square().flatten(1).mean(1)
        smoothing = self.recipe.label_smoothing
        losses = nn.functional.cross_entropy(
            outputs.flatten(0, 1), targets.flatten(), label_smoothing=smoothing, reduction="none"
        )
        return losses.view(targets.shape).mean(1)
