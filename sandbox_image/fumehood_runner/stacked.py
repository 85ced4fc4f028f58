"""Models of one architecture as one: their parameters and buffers in tensors with a first axis for the model.

Always holds: each model sees its own inputs and its own draws, and its numbers are those that it would have alone, but
for rounding. A random operation other than a dropout layer's is refused, because its draws could not be kept apart.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from fumehood_runner.randomness import Draws
from fumehood_runner.weights import owners_of, state_of

_DROPOUTS: Final = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


class Declined(Exception):
    """These models cannot be trained as one; the message says why."""


class Stacked:
    """``models`` as one; the first of them lends its forward pass, and none of them changes before ``unstack``.

    ``form`` is the order of memory in which a model alone has its images, which decides which draw is whose.
    """

    def __init__(self, models: Sequence[nn.Module], draws: Sequence[Draws], form: torch.memory_format) -> None:
        _check_alike(models)
        self.models, self.draws, self.form = models, draws, form
        parameters = [dict(model.named_parameters()) for model in models]
        self.parameters = {n: _stacked(parameters, n).requires_grad_(p.requires_grad) for n, p in parameters[0].items()}
        self.trained = [p for p in self.parameters.values() if p.requires_grad]
        buffers = [dict(model.named_buffers()) for model in models]
        self.buffers = {n: _stacked(buffers, n) for n in buffers[0]}

    def instead(self) -> Mapping[Tensor, Tensor]:
        """The first model's parameters -> those of all."""
        return {parameter: self.parameters[name] for name, parameter in self.models[0].named_parameters()}

    def __call__(self, inputs: Tensor) -> Tensor:
        """Outputs of every model, models x rows x ..., for inputs of every model; buffers change in place."""
        # Of the kernels for attention only the plain one can be mapped over models on a GPU.
        with _drawing_apart(self.models[0], self.draws, self.form), sdpa_kernel(SDPBackend.MATH):
            found = vmap(self._one, randomness="error")(self.parameters, self.buffers, inputs)
        if not isinstance(found, Tensor):
            raise Declined(f"the model gives a {type(found).__name__}, not a tensor")
        return found

    def _one(self, parameters: Mapping[str, Tensor], buffers: Mapping[str, Tensor], inputs: Tensor) -> Any:
        return functional_call(self.models[0], ({**parameters, **buffers},), (inputs,))

    def clip_gradients(self, norm: float) -> None:
        """To a global L2 norm of at most ``norm`` in each model, as ``clip_grad_norm_`` does in one."""
        gradients = [p.grad for p in self.trained if p.grad is not None]
        norms = torch.stack([torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients])
        factor = (norm / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(factor.view(-1, *[1] * (gradient.ndim - 1)))

    def silence(self, index: int, optimizer: torch.optim.Optimizer) -> None:
        """Set everything of one model to 0, so that what is not finite in it does not go on being computed with."""
        kept = [t for p in self.trained for t in optimizer.state[p].values() if isinstance(t, Tensor) and t.ndim]
        with torch.no_grad():
            for tensor in (*self.parameters.values(), *self.buffers.values(), *kept):
                tensor[index].zero_()

    def unstack(self, index: int) -> nn.Module:
        """One of the models, with what it has become."""
        model = self.models[index]
        with torch.no_grad():
            for name, tensor in (*model.named_parameters(), *model.named_buffers()):
                tensor.copy_((self.parameters.get(name, self.buffers.get(name)))[index])  # type: ignore[index]
        return model


def _stacked(tensors: Sequence[Mapping[str, Tensor]], name: str) -> Tensor:
    return torch.stack([own[name].detach().contiguous() for own in tensors])


def _check_alike(models: Sequence[nn.Module]) -> None:
    layouts = []
    for model in models:
        state_of(model)  # raises where something in it is no dense tensor
        own = dict([*model.named_parameters(), *model.named_buffers()])
        if any(owner != name for name, owner in owners_of(own).items()):
            raise Declined("tensors of the model share memory in a way that stacking would part")
        layouts.append({n: (t.shape, t.dtype, t.requires_grad) for n, t in own.items()})
    if any(layout != layouts[0] for layout in layouts):
        raise Declined("the seeds built models that differ in more than their values")


@contextmanager
def _drawing_apart(model: nn.Module, draws: Sequence[Draws], form: torch.memory_format) -> Iterator[None]:
    """Dropout layers of ``model`` draw for each of the stacked models from its own generators."""
    layers = [module for module in model.modules() if type(module) in _DROPOUTS and "forward" not in vars(module)]
    for layer in layers:
        layer.forward = partial(_dropped_apart, layer, draws, form)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _dropped_apart(layer: nn.Module, draws: Sequence[Draws], form: torch.memory_format, inputs: Tensor) -> Any:
    def drop(own: Tensor) -> Any:
        return type(layer).forward(layer, own.contiguous(memory_format=form) if own.ndim == 4 else own)

    if not layer.training:
        return type(layer).forward(layer, inputs)
    return _Apart.apply(inputs, drop, draws)  # type: ignore[no-untyped-call]


class _Apart(torch.autograd.Function):
    """A function of one model's tensor, called for each model in its own draws. Exists under ``vmap`` only."""

    @staticmethod
    def forward(*_: Any) -> Tensor:
        raise Declined("a dropout layer is given something that does not depend on the seed")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing: what ``vmap`` below calls is differentiated by itself."""

    @staticmethod
    def vmap(_info: Any, in_dims: Any, inputs: Tensor, layer: Any, draws: Sequence[Draws]) -> tuple[Tensor, int]:
        found = []
        for own, place in zip(inputs.movedim(in_dims[0], 0), draws, strict=True):
            with place:
                found.append(layer(own))
        return torch.stack(found), 0
