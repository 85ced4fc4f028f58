"""Random changes to a training batch, each one tensor program over the whole batch.

Always holds: shape, type and device of a batch stay; draws come from torch's global generators, seeded per seed. Inputs
are standardised, so 0 is the training mean and 1 a standard deviation. Which augmentation fits which inputs is decided
in ``recipe``.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import torch
from torch import Tensor

SHIFT_FRACTION: Final = 1 / 8
"""Largest shift as a fraction of the side, at least one pixel: 4 of 32, as usual for small images."""
CUTOUT_FRACTION: Final = 1 / 4
"""Side of the hole as a fraction of the image's (16 of 32 is DeVries & Taylor's for CIFAR-10; this is milder)."""
NOISE_STD: Final = 0.1
MIXUP_ALPHA: Final = 0.2
"""Zhang et al. 2018, "mixup", section 3: 0.1 to 0.4 on ImageNet."""


def shift(inputs: Tensor) -> Tensor:
    """Move each image of B x C x H x W by whole pixels, up to an eighth of each side; borders are repeated."""
    rows = _shifted(inputs, 2)[:, None, :, None].expand(-1, inputs.shape[1], -1, inputs.shape[3])
    moved = inputs.gather(2, rows)
    columns = _shifted(inputs, 3)[:, None, None, :].expand_as(moved)
    return moved.gather(3, columns)


def flip(inputs: Tensor) -> Tensor:
    """Mirror each image of B x C x H x W left to right with probability one half."""
    chosen = torch.rand(len(inputs), 1, 1, 1, device=inputs.device) < 0.5
    return torch.where(chosen, inputs.flip(-1), inputs)


def noise(inputs: Tensor) -> Tensor:
    """Add Gaussian noise of a tenth of a standard deviation."""
    return inputs + NOISE_STD * torch.randn_like(inputs)


def cutout(inputs: Tensor) -> Tensor:
    """Set a square of each image of B x C x H x W to 0, at a random place wholly inside (DeVries & Taylor 2017)."""
    rows, columns = _hole(inputs, 2), _hole(inputs, 3)
    return inputs.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)


_ALONE: Final[Mapping[str, Callable[[Tensor], Tensor]]] = {
    "shift": shift,
    "flip": flip,
    "noise": noise,
    "cutout": cutout,
}


def augmented(inputs: Tensor, names: Sequence[str]) -> Tensor:
    """``inputs`` after the augmentations of ``names`` that need no targets, in that order."""
    for name in names:
        if name in _ALONE:
            inputs = _ALONE[name](inputs)
    return inputs


def mixup(inputs: Tensor) -> tuple[Tensor, Tensor, float]:
    """Blend each row with another one: (blended, index of the other row, weight of the row itself).

    The loss is blended with the same weight: ``w * loss(targets) + (1 - w) * loss(targets[other])``.
    """
    weight = random.betavariate(MIXUP_ALPHA, MIXUP_ALPHA)
    other = torch.randperm(len(inputs), device=inputs.device)
    return torch.lerp(inputs[other], inputs, weight), other, weight


def _shifted(inputs: Tensor, axis: int) -> Tensor:
    """Per image, from which row or column each one comes (int64 B x side)."""
    side = inputs.shape[axis]
    reach = max(1, int(side * SHIFT_FRACTION))
    offsets = torch.randint(-reach, reach + 1, (len(inputs), 1), device=inputs.device)
    return (torch.arange(side, device=inputs.device) + offsets).clamp_(0, side - 1)


def _hole(inputs: Tensor, axis: int) -> Tensor:
    """Per image, which rows or columns the hole covers (bool B x side)."""
    side = inputs.shape[axis]
    size = max(1, int(side * CUTOUT_FRACTION))
    start = torch.randint(0, side - size + 1, (len(inputs), 1), device=inputs.device)
    place = torch.arange(side, device=inputs.device)
    return (place >= start) & (place < start + size)
