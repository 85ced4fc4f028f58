"""What a trained model's answers to rows that it was trained on are worth: numbers for one slice of them. Pure.

The numbers are defined as the controller's own of the same names are (``log_loss``, ``accuracy``, ``rmse``, ``r2``), so
that they can be set beside those on rows that the model never saw.
"""

import torch
from torch import Tensor

from fumehood_shared import caps
from fumehood_shared.messages import Task, TrainSlice


def train_slice(outputs: Tensor, targets: Tensor, task: Task) -> TrainSlice:
    """``outputs``: N x C raw logits, or N x T in the targets' own units; ``targets``: int64 N, or float32 N x T."""
    if task is Task.REGRESSION:
        return _regression(outputs.double(), targets.double().reshape(outputs.shape))
    return _classification(outputs.double(), targets)


def _classification(logits: Tensor, targets: Tensor) -> TrainSlice:
    """Probabilities are held above float64's epsilon, as scikit-learn's ``log_loss`` holds them."""
    chosen = torch.softmax(logits, dim=1).gather(1, targets[:, None])
    epsilon = torch.finfo(torch.float64).eps
    loss = -chosen.clamp(epsilon, 1 - epsilon).log().mean()
    right = (logits.argmax(dim=1) == targets).double().mean()
    return TrainSlice(rows=len(targets), loss=_within(loss), accuracy=_within(right))


def _regression(values: Tensor, targets: Tensor) -> TrainSlice:
    squares = (targets - values).square().sum(dim=0)
    spread = (targets - targets.mean(dim=0)).square().sum(dim=0)
    rmse = (squares / len(targets)).sqrt().mean()
    return TrainSlice(rows=len(targets), loss=_within(rmse), r2=_within((1 - squares / spread).mean()))


def _within(value: Tensor) -> float | None:
    number = float(value)
    return number if abs(number) <= caps.TRAIN_SLICE_NUMBER else None
