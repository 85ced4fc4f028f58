"""Optimisers and learning-rate schedules of the standard trainer.

Always holds: the learning rate of a step depends on the recipe, the step and the number of steps alone.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from fumehood_runner.weights import is_dense
from fumehood_shared.messages import Recipe

_NORMS: Final = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
_START: Final = 1 / 25
_END: Final = 1 / 250_000
"""First and last factor of the one-cycle schedule: ``div_factor`` and ``final_div_factor`` of torch's OneCycleLR."""


def make_optimizer(
    model: nn.Module, recipe: Recipe, instead: Mapping[torch.Tensor, torch.Tensor] | None = None
) -> Optimizer:
    """The recipe's optimiser over the trainable parameters; biases and normalisation are never decayed.

    Needs at least one trainable parameter. ``instead`` maps each of them to the tensor that is trained in its place. A
    step goes over each number once (torch's fused kernels: a third of the time on a CPU, and few launches on a GPU),
    where the tensors allow it: those kernels walk through memory, and take its order for the numbers' order.
    """
    groups = list(_groups(model, recipe.weight_decay, instead))
    fused = True if all(p.is_floating_point() and is_dense(p) for g in groups for p in g["params"]) else None
    if recipe.optimizer == "sgd":
        return SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=fused)
    kind = AdamW if recipe.optimizer == "adamw" else Adam
    return kind(groups, lr=recipe.lr, fused=fused)


def set_lr(optimizer: Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr


def lr_factor(recipe: Recipe, step: int, steps: int) -> float:
    """Factor on ``recipe.lr`` at ``step`` of ``steps``, counted from 0; in (0, 1].

    constant and cosine: linear warm-up, then 1 or half a cosine (Loshchilov & Hutter 2017). one_cycle: cosine up from
    1/25, cosine down to 1/250000 (Smith & Topin 2018, as in torch).
    """
    warm = round(recipe.warmup_fraction * steps)
    falling = (step - warm) / max(steps - warm, 1)
    if recipe.schedule == "one_cycle":
        return _between(_START, 1.0, (step + 1) / warm) if step < warm else _between(1.0, _END, falling)
    if step < warm:
        return (step + 1) / warm
    return 1.0 if recipe.schedule == "constant" else _between(1.0, 0.0, falling)


def _between(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2


def _groups(
    model: nn.Module, weight_decay: float, instead: Mapping[torch.Tensor, torch.Tensor] | None
) -> Iterator[dict[str, Any]]:
    """Non-empty parameter groups, each trainable parameter in exactly one."""
    decayed: list[torch.Tensor] = []
    free: list[torch.Tensor] = []
    seen: set[int] = set()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad and id(parameter) not in seen:
                seen.add(id(parameter))
                plain = parameter.ndim < 2 or isinstance(module, _NORMS) or name.endswith("bias")
                (free if plain else decayed).append(instead[parameter] if instead else parameter)
    if decayed:
        yield {"params": decayed, "weight_decay": weight_decay}
    if free:
        yield {"params": free, "weight_decay": 0.0}
