"""The shape of one example on its way through a model, and the arithmetic of windows.

A ``Signal`` is what one layer hands to the next: the shape without the batch, and what its axes mean, because
``(16, 32)`` may be 16 channels of length 32 or 16 tokens of 32 features. Pure arithmetic; no torch.
"""

from dataclasses import dataclass
from math import prod
from typing import Literal

from fumehood.assembly.errors import LayerMisfitError

Layout = Literal["features", "channels", "sequence", "indices"]

MAX_VALUES = 2**26
"""Values of one example between two layers."""


@dataclass(frozen=True)
class Signal:
    """Shape of one example and the meaning of its axes.

    ``features``: ``(F,)``. ``channels``: ``(C, L)`` or ``(C, H, W)``. ``sequence``: ``(tokens, features)``.
    ``indices``: ``(L,)`` of int64 tokens, which only an embedding reads.
    """

    shape: tuple[int, ...]
    layout: Layout

    @property
    def size(self) -> int:
        """Number of values."""
        return prod(self.shape)

    def __str__(self) -> str:
        return " x ".join(str(n) for n in self.shape)


def features(count: int) -> Signal:
    return Signal((count,), "features")


def channels(*shape: int) -> Signal:
    return Signal(shape, "channels")


def sequence(tokens: int, width: int) -> Signal:
    return Signal((tokens, width), "sequence")


def describe(signal: Signal) -> str:
    """The signal in words, for messages."""
    match signal.layout:
        case "features":
            return f"{signal} features"
        case "channels":
            return f"{signal} (channels first)"
        case "sequence":
            return f"{signal.shape[0]} tokens of {signal.shape[1]} features"
        case "indices":
            return f"{signal} token indices"


def require(signal: Signal, layout: Layout, rank: int, advice: str) -> None:
    """Refuse a signal of another layout or number of axes."""
    if signal.layout != layout or len(signal.shape) != rank:
        raise LayerMisfitError(f"expected {_wanted(layout, rank)}, but it receives {describe(signal)}", advice)


def _wanted(layout: Layout, rank: int) -> str:
    names = {
        ("features", 1): "a flat vector of features",
        ("channels", 2): "channels x length",
        ("channels", 3): "channels x height x width",
        ("sequence", 2): "tokens x features",
        ("indices", 1): "token indices",
    }
    return names[layout, rank]


def agree(name: str, given: int | None, actual: int) -> int:
    """The actual size, after a check that a size given explicitly is the same."""
    if given is not None and given != actual:
        raise LayerMisfitError(
            f"{name} is given as {given}, but the layer receives {actual}; expected {actual}",
            f"Set {name} to {actual} or leave it out: it is inferred.",
        )
    return actual


def window(length: int, kernel: int, stride: int, padding: int, dilation: int = 1, ceil_mode: bool = False) -> int:
    """Output length of a convolution or pooling window along one axis (the formula of ``torch.nn.Conv2d``)."""
    span = dilation * (kernel - 1) + 1
    room = length + 2 * padding - span
    if room < 0:
        raise LayerMisfitError(
            f"a window of {span} does not fit into a length of {length} with padding {padding}",
            "Use a smaller kernel, more padding, or fewer pooling and strided layers before it.",
        )
    if not ceil_mode:
        return room // stride + 1
    steps = -(-room // stride)
    # torch drops a last window that would start in the right-hand padding
    return steps if steps * stride >= length + padding else steps + 1


def transposed_window(length: int, kernel: int, stride: int, padding: int, output_padding: int, dilation: int) -> int:
    """Output length of a transposed convolution along one axis (the formula of ``torch.nn.ConvTranspose2d``)."""
    out = (length - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1
    if out < 1:
        raise LayerMisfitError(f"the output would have a length of {out}", "Use less padding.")
    return out
