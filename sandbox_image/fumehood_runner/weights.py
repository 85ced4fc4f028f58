"""A model's parameters and buffers as a safetensors file, and back into a model rebuilt from source.

Always holds: the file has no ``__metadata__``; a tensor that lies inside another one's memory is written once, under
the first name; loading is strict, so a name that is missing has to share memory with one that is there. It knows
nothing of pickles.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fumehood_runner.failures import CandidateFailed
from fumehood_shared import caps
from fumehood_shared.messages import FailureKind

_LENGTH_BYTES: Final = 8
Layout = Mapping[str, tuple[int, ...]]


def state_of(model: nn.Module) -> dict[str, Tensor]:
    """The model's state dict, or ``CandidateFailed`` where something in it cannot cross as a dense tensor."""
    state = model.state_dict()
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise _refused(f"the model's state holds {name!r}, a {type(value).__name__}; only tensors can be kept")
        if nn.parameter.is_lazy(value):
            raise _refused(f"{name} is still uninitialised: no forward pass reached that lazy layer")
        if value.layout != torch.strided or value.is_meta or value.is_quantized:
            raise _refused(f"{name} is not a dense tensor ({value.layout}, {value.dtype}, {value.device})")
    return dict(state)


def layout_of(model: nn.Module) -> Layout:
    """Name -> shape of everything that crosses to the predict room."""
    return {name: tuple(tensor.shape) for name, tensor in state_of(model).items()}


def check_layout(built: Layout, trained: Layout) -> None:
    """Refuse a trained model that the predict room, which rebuilds from source, could not load."""
    for name in sorted({*built, *trained}):
        if built.get(name) != trained.get(name):
            here, there = (f"shape {s[name]}" if name in s else "absent" for s in (built, trained))
            raise _refused(f"training changed the model's structure: {name} was {here} as built, is {there} now")


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the model's state. Raises ``CandidateFailed`` for what is not finite, too much, or not storable."""
    state = state_of(model)
    owners = owners_of(state)
    kept = {name: tensor.detach().to("cpu") for name, tensor in state.items() if owners[name] == name}
    _check_storable(kept)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        save_file({name: t.clone(memory_format=torch.contiguous_format) for name, t in kept.items()}, path)
    except KeyError as error:
        raise _refused(f"a tensor has type {error}, which safetensors cannot hold") from None
    except (SafetensorError, OSError) as error:
        path.unlink(missing_ok=True)
        size = sum(t.numel() * t.element_size() for t in kept.values())
        message = f"the weights ({size} bytes) could not be written: {error}"
        raise CandidateFailed(FailureKind.OOM, message) from None
    _check_header(path)
    path.chmod(0o644)  # a predict room reads it, and every room is a user of its own


def load_weights(model: nn.Module, path: Path) -> None:
    """Load the file into a model that was just rebuilt. Raises ``CandidateFailed`` where the two do not match."""
    try:
        found = load_file(path)
    except SafetensorError as error:
        raise _refused(f"the weights are not a safetensors file: {error}") from None
    state = state_of(model)
    _check_names(state, found)
    with torch.no_grad():
        for name, tensor in found.items():
            state[name].copy_(tensor)
    model.load_state_dict(state)
    _check_kept(state_of(model), found)


def owners_of(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Name -> name of the tensor that holds its memory: the first dense tensor that covers it, or itself."""
    storages: dict[int, list[str]] = {}
    for name, tensor in state.items():
        if tensor.numel():
            storages.setdefault(tensor.untyped_storage().data_ptr(), []).append(name)
    owners = {name: name for name in state}
    for names in storages.values():
        owners.update({name: _owner(name, names, state) for name in names})
    return owners


def _owner(name: str, sharing: list[str], state: Mapping[str, Tensor]) -> str:
    """The widest dense tensor among ``sharing`` that covers ``name``; of equals, the first."""
    start, end = _span(state[name])
    covering = [n for n in sharing if is_dense(state[n]) and _span(state[n])[0] <= start and end <= _span(state[n])[1]]
    return max(covering, key=lambda n: state[n].numel() * state[n].element_size()) if covering else name


def _span(tensor: Tensor) -> tuple[int, int]:
    """First and one-past-last byte address that a non-empty tensor touches (strides are never negative)."""
    start = tensor.data_ptr()
    last = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
    return start, start + (last + 1) * tensor.element_size()


def is_dense(tensor: Tensor) -> bool:
    """Whether the tensor's elements fill its span, in whatever order."""
    if not tensor.numel():
        return True
    start, end = _span(tensor)
    return tensor.numel() * tensor.element_size() == end - start


def _check_storable(kept: Mapping[str, Tensor]) -> None:
    if len(kept) > caps.TENSORS:
        raise _refused(f"the model has {len(kept)} tensors; at most {caps.TENSORS} are allowed")
    broken = [n for n, t in kept.items() if (t.is_floating_point() or t.is_complex()) and not _is_finite(t)]
    if broken:
        named = ", ".join(broken[:5])
        raise CandidateFailed(FailureKind.NON_FINITE, f"{len(broken)} tensors hold NaN or infinity: {named}")


def _is_finite(tensor: Tensor) -> bool:
    wide = tensor if tensor.is_complex() or tensor.element_size() > 1 else tensor.float()
    return bool(torch.isfinite(wide).all())


def _check_header(path: Path) -> None:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    if length > caps.SAFETENSORS_HEADER_BYTES:
        path.unlink()
        raise _refused(f"the tensors' names need {length} bytes; at most {caps.SAFETENSORS_HEADER_BYTES} are allowed")


def _check_names(state: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    extra = sorted(found.keys() - state.keys())
    if extra:
        raise _refused(f"the weights hold {_listed(extra)}, which the rebuilt model does not have")
    owners = owners_of(state)
    missing = sorted(name for name in state if name not in found and owners[name] not in found)
    if missing:
        raise _refused(f"the weights lack {_listed(missing)}, which the rebuilt model has")
    for name, tensor in found.items():
        if tensor.shape != state[name].shape:
            shapes = f"{tuple(tensor.shape)} in the weights, {tuple(state[name].shape)} in the rebuilt model"
            raise _refused(f"{name} has shape {shapes}")


def _check_kept(state: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """Tensors shared in the rebuilt model but not in the trained one would overwrite each other."""
    for name, tensor in found.items():
        if not torch.equal(state[name].cpu(), tensor.to(state[name].dtype)):
            raise _refused(f"{name} does not keep its trained value: the rebuilt model shares its memory or changes it")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def _refused(message: str) -> CandidateFailed:
    return CandidateFailed(FailureKind.INTERFACE, message)
