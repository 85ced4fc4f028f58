"""Whether seeds train together as they train alone: the first steps of each, done both ways and compared.

Always holds: models, generators and data are afterwards as before. It is done in exact float32, whatever precision
training has: the question is whether ``vmap`` does with this model what the model does, not how it rounds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from fumehood_runner.randomness import outside_torch
from fumehood_runner.stacked import Declined
from fumehood_runner.stacked_steps import StackedSteps, Start
from fumehood_runner.trainer import Steps, TrainingData
from fumehood_shared.messages import Recipe, TrainRequest

_STEPS: Final = 2
_TOLERANCE: Final = 1e-3
"""Of losses and buffers: float32 products in another order; tenfold for what the optimiser made of them."""
_GRADIENT_TOLERANCE: Final = 5e-2
"""Rounding sends a few values across a ReLU or a tie of pooling: 1e-3 was seen, and mixed up seeds give about 1."""


@dataclass(frozen=True)
class _Seen:
    """The first steps of one seed: losses, and the gradients and buffers after the first of them."""

    losses: list[float]
    gradients: dict[str, Tensor]
    buffers: dict[str, Tensor]


def rehearsed(starts: Sequence[Start], data: TrainingData, recipe: Recipe, request: TrainRequest) -> StackedSteps:
    """Steps that have not begun, of seeds whose first ones are the same together and alone; ``Declined`` if not."""
    exact = recipe.model_copy(update={"mixed_precision": False})
    alone, forms = zip(*[_steps_alone(start, data, exact, request) for start in starts], strict=True)
    trial = StackedSteps(starts, data, exact, request, forms[0])
    for index, (one, among) in enumerate(zip(alone, _steps_together(trial), strict=True)):
        if (apart := _difference(one, among)) is not None:
            raise Declined(f"seed {index} trains otherwise among the others: {apart}")
    return StackedSteps(starts, data, recipe, request, forms[0])


def _steps_alone(
    start: Start, data: TrainingData, recipe: Recipe, request: TrainRequest
) -> tuple[_Seen, torch.memory_format]:
    tensors = [*start.model.parameters(), *start.model.buffers()]
    before = [tensor.detach().clone() for tensor in tensors]
    with start.draws.again():
        steps = Steps(start.model, data.rows(start.order.to(data.inputs.device)), recipe, request)
        first, *more = steps.batches()[:_STEPS]
        losses = [float(steps.train(first))]
        gradients = {n: p.grad.clone() for n, p in start.model.named_parameters() if p.grad is not None}
        buffers = {n: b.clone() for n, b in start.model.named_buffers()}
        losses += [float(steps.train(index)) for index in more]
        _check_draws(start.model, steps.data.rows(first[:2]))
    start.model.zero_grad(set_to_none=True)
    with torch.no_grad():
        for tensor, old in zip(tensors, before, strict=True):
            tensor.copy_(old)
    return _Seen(losses, gradients, buffers), steps.format


def _check_draws(model: nn.Module, rows: TrainingData) -> None:
    """``vmap`` would draw once for all seeds what a model draws in Python, and for a while that may not show."""
    before = outside_torch()
    with torch.no_grad():
        model(rows.inputs)
    if outside_torch() != before:
        raise Declined("the model draws from Python's or numpy's generator when it is called")


def _steps_together(run: StackedSteps) -> Iterator[_Seen]:
    first, *more = run.batches()[:_STEPS]
    losses = [run.train(first)]
    gradients = {n: p.grad.clone() for n, p in run.stacked.parameters.items() if p.grad is not None}
    buffers = {n: b.clone() for n, b in run.stacked.buffers.items()}
    losses += [run.train(index) for index in more]
    for k, own in enumerate(torch.stack(losses, dim=1).tolist()):
        yield _Seen(own, {n: g[k] for n, g in gradients.items()}, {n: b[k] for n, b in buffers.items()})


def _difference(alone: _Seen, among: _Seen) -> str | None:
    """What differs by more than rounding can explain; what is not finite always does."""
    if alone.gradients.keys() != among.gradients.keys():
        return "other parameters have gradients"
    for step, (one, other) in enumerate(zip(alone.losses, among.losses, strict=True)):
        if not abs(one - other) <= 10**step * _TOLERANCE * max(abs(one), 0.1):
            return f"the loss of step {step + 1} is {other:.6g} and not {one:.6g}"
    # A gradient that is nothing but rounding (of a bias before a normalisation) is measured against all of them.
    whole = float(torch.stack([g.float().norm() for g in alone.gradients.values()]).norm())
    for name, own in alone.gradients.items():
        if not _distance(own, among.gradients[name]) <= _GRADIENT_TOLERANCE * max(
            float(own.float().norm()), 1e-2 * whole
        ):
            return f"the gradient of {name} is another one"
    for name, own in alone.buffers.items():
        if not _distance(own, among.buffers[name]) <= _TOLERANCE * max(float(own.float().norm()), 1e-3):
            return f"the buffer {name} is another one"
    return None


def _distance(one: Tensor, other: Tensor) -> float:
    return float((one.float() - other.float()).norm())
