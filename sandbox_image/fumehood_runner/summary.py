"""Sends a dummy batch through a fresh model: lazy layers become real, shapes are checked, layers are listed.

Always holds: the model's parameters and buffers, its modes and the global generators are as before, but for lazy
layers, which now exist. The dummy batch takes the way that predictions take. It judges shapes, not values.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, Final

import torch
from torch import Tensor, nn

from fumehood_runner.candidate import Candidate
from fumehood_runner.failures import tidy
from fumehood_runner.outputs import answering, as_outputs, evaluating
from fumehood_shared import caps
from fumehood_shared.messages import InputKind, JobBase, LayerSummary, ModelSummary

DUMMY_ROWS: Final = 2
_NAME_CHARS: Final = 200
_TYPE_CHARS: Final = 100


def dummy_batch(job: JobBase) -> Tensor:
    """Two rows like the real ones: standard normal float32, or int64 tokens from 1 to ``vocab_size`` - 1."""
    shape = (DUMMY_ROWS, *job.input_shape)
    generator = torch.Generator().manual_seed(0)
    if job.input_kind is InputKind.TOKENS:
        size = max(job.vocab_size or 0, 2)
        return torch.randint(1, size, shape, generator=generator, device="cpu").to(job.device)
    return torch.randn(shape, generator=generator, dtype=torch.float32, device="cpu").to(job.device)


def probe(candidate: Candidate, model: nn.Module, job: JobBase) -> ModelSummary:
    """Check the output contract on the dummy batch and summarise. Raises what the model raises.

    The standard trainer needs the model's own forward pass; a candidate with both its own ``train`` and ``predict``
    is free in what ``forward`` returns.
    """
    predict, own_train = candidate.predict, candidate.train is not None
    batch = dummy_batch(job)
    finished = answering(model, job, own_train)
    with evaluating(finished), torch.no_grad(), _recorded_shapes(model) as shapes:
        if predict is None or not own_train:
            as_outputs(model(batch), DUMMY_ROWS, job, "the model")
        if predict is not None:
            as_outputs(predict(finished, batch), DUMMY_ROWS, job, "predict")
    return summarise(model, shapes)


def summarise(model: nn.Module, shapes: dict[nn.Module, str]) -> ModelSummary:
    """One row per module that is a leaf or holds tensors itself, in the order of ``shapes``, then those not called.

    ``parameters`` counts elements of parameters, ``bytes`` those of parameters and buffers; shared ones once.
    """
    names = {module: name or "(model)" for name, module in model.named_modules()}
    ordered = dict.fromkeys(chain((m for m in shapes if m in names), names))
    seen: set[int] = set()
    rows = [_row(m, names[m], shapes.get(m, "not called"), seen) for m in ordered if _is_listed(m)]
    return ModelSummary(
        layers=tuple(rows[: caps.SUMMARY_LAYERS]),
        parameters=sum(row.parameters for row in rows),
        bytes=sum(row.bytes for row in rows),
        omitted_layers=max(len(rows) - caps.SUMMARY_LAYERS, 0),
    )


def _is_listed(module: nn.Module) -> bool:
    own = chain(module.parameters(recurse=False), module.buffers(recurse=False))
    return next(module.children(), None) is None or next(own, None) is not None


def _row(module: nn.Module, name: str, shape: str, seen: set[int]) -> LayerSummary:
    parameters = list(_unseen(module.parameters(recurse=False), seen))
    buffers = list(_unseen(module.buffers(recurse=False), seen))
    return LayerSummary(
        name=tidy(name, _NAME_CHARS),
        type=tidy(type(module).__name__, _TYPE_CHARS),
        output_shape=tidy(shape, _NAME_CHARS),
        parameters=sum(_size(p) for p in parameters),
        bytes=sum(_size(t) * t.element_size() for t in chain(parameters, buffers)),
    )


def _unseen(tensors: Iterable[Tensor], seen: set[int]) -> Iterator[Tensor]:
    for tensor in tensors:
        if id(tensor) not in seen:
            seen.add(id(tensor))
            yield tensor


def _size(tensor: Tensor) -> int:
    """Elements of ``tensor``; a lazy one that no forward pass reached has none yet."""
    return 0 if nn.parameter.is_lazy(tensor) else tensor.numel()


@contextmanager
def _recorded_shapes(model: nn.Module) -> Iterator[dict[nn.Module, str]]:
    """Module -> shape of its first output, in the order in which modules finished; scripted ones take no hooks."""
    shapes: dict[nn.Module, str] = {}

    def record(module: nn.Module, _inputs: Any, output: Any) -> None:
        shapes.setdefault(module, _described(output))

    hookable = [module for module in model.modules() if not isinstance(module, torch.jit.ScriptModule)]
    handles = [module.register_forward_hook(record) for module in hookable]
    try:
        yield shapes
    finally:
        for handle in handles:
            handle.remove()


def _described(output: object) -> str:
    """``N x 16 x 8 x 8``, N for the batch; for several outputs the first one's and an ellipsis."""
    if isinstance(output, tuple | list) and output:
        return f"{_described(output[0])}, …"
    if not isinstance(output, Tensor):
        return type(output).__name__
    sizes = [str(n) for n in output.shape]
    if sizes and output.shape[0] == DUMMY_ROWS:
        sizes[0] = "N"
    return " x ".join(sizes) or "scalar"
