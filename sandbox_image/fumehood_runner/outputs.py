"""The contract of a model's outputs: one row per input row, ``num_outputs`` floating numbers each.

Classification: N x C raw logits. Regression: N x T; N alone is taken for N x 1. It converts and refuses, and knows
nothing of labels or losses.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fumehood_runner.failures import CandidateFailed
from fumehood_shared.messages import FailureKind, JobBase, Task, TensorScale


def as_outputs(raw: object, rows: int, job: JobBase, giver: str) -> Tensor:
    """``raw`` as a floating tensor of shape rows x num_outputs, or ``CandidateFailed``; ``giver`` names who made it."""
    if not isinstance(raw, Tensor):
        raise CandidateFailed(FailureKind.INTERFACE, f"{giver} gave a {type(raw).__name__}, not a tensor")
    if not raw.is_floating_point():
        raise CandidateFailed(FailureKind.INTERFACE, f"{giver} gave {raw.dtype}; outputs have to be floating numbers")
    if job.task is Task.REGRESSION and job.num_outputs == 1 and raw.shape == (rows,):
        return raw.unsqueeze(1)
    if raw.shape != (rows, job.num_outputs):
        expected = f"({rows}, {job.num_outputs})"
        raise CandidateFailed(
            FailureKind.SHAPE, f"{giver} gave shape {tuple(raw.shape)} for {rows} inputs; expected {expected}"
        )
    return raw


def scale_on(scale: TensorScale, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the targets, each of shape T; a constant target keeps its units."""
    mean = torch.tensor(scale.mean, dtype=torch.float32, device=device)
    std = torch.tensor(scale.std, dtype=torch.float32, device=device)
    return mean, torch.where(std > 0, std, 1.0)


class OwnUnits(nn.Module):
    """A regression model that was fitted to standardised targets, answering in the targets' own units.

    Every attribute of the wrapped model can be reached through it.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, job: JobBase, scale: TensorScale) -> None:
        super().__init__()
        self.fitted = model
        self.job = job
        mean, std = scale_on(scale, torch.device(job.device))
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs = as_outputs(self.fitted(inputs), len(inputs), self.job, "the model")
        return outputs * self.std + self.mean

    def __getattr__(self, name: str) -> Tensor | nn.Module:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "fitted":
                raise
            found: Tensor | nn.Module = getattr(self.fitted, name)
            return found


def answering(model: nn.Module, job: JobBase, own_train: bool) -> nn.Module:
    """The model whose outputs are in the units that are scored; a candidate's own trainer sees to that itself."""
    if job.task is Task.REGRESSION and job.target_scale is not None and not own_train:
        return OwnUnits(model, job, job.target_scale)
    return model


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in eval mode; afterwards every module is in the mode it was in, also where they differ."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
