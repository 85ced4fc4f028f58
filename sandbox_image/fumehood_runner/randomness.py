"""Makes one seed repeatable: every generator that a candidate is likely to draw from, and torch's own choices.

Always holds: the same seed, order and source give the same bits on the same CPU with the same number of threads. It
does not reach generators that a candidate makes for itself.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fumehood_shared.messages import SeedSpec


def seed_everything(seed: int) -> None:
    """Seed torch (every device), numpy's global generator and ``random``."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def choose_algorithms(deterministic: bool) -> None:
    """Prefer repeatable kernels to fast ones, or the other way round.

    cuBLAS reads its workspace setting when it is first used, so this must come before the first kernel. Does what
    ``torch.use_deterministic_algorithms(..., warn_only=True)`` does, but for loading the compiler to tell it as well.
    """
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_deterministic_debug_mode("warn" if deterministic else "default")
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = not deterministic


def choose_precision(mixed: bool) -> None:
    """Whether float32 products on a GPU may be rounded to TensorFloat-32 first; a CPU knows no such thing."""
    torch.backends.cuda.matmul.allow_tf32 = mixed
    torch.backends.cudnn.allow_tf32 = mixed


@contextmanager
def filling(wanted: bool) -> Iterator[None]:
    """Whether deterministic torch goes on filling memory with NaN before a kernel writes to it.

    That makes what is read of such memory repeatable, and costs a launch for every tensor: a sixth of a small network's
    step on a GPU. So it is done for the first batch of a kind, whose loss or outputs then show that a model reads what
    nobody wrote, and left out for those that follow.
    """
    was = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.utils.deterministic.fill_uninitialized_memory = was and wanted  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.utils.deterministic.fill_uninitialized_memory = was  # type: ignore[attr-defined]


class Draws:
    """One seed's place in the generators that training draws from, which are torch's and Python's.

    Made from them as they are; ``with draws:`` goes on from there and remembers where it got to. Device work is not
    waited for: a GPU's generator is counted on the host.
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._place = self._current()

    def again(self) -> "Draws":
        """The same place once more, to be left untouched by what is drawn here."""
        copy = object.__new__(Draws)
        copy._cuda, copy._place = self._cuda, self._place
        return copy

    def __enter__(self) -> None:
        cpu, gpu, own = self._place
        torch.set_rng_state(cpu)
        if gpu is not None:
            torch.cuda.set_rng_state(gpu)
        random.setstate(own)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._place = self._current()

    def _current(self) -> tuple[Tensor, Tensor | None, Any]:
        return torch.get_rng_state(), torch.cuda.get_rng_state() if self._cuda else None, random.getstate()


def outside_torch() -> object:
    """Where Python's and numpy's global generators are; differs once either was drawn from."""
    array: Any = np.random.get_state(legacy=False)
    return random.getstate(), array["state"]["pos"], array["state"]["key"].tobytes(), array["has_gauss"]


def row_order(spec: SeedSpec, rows: int) -> Tensor:
    """The permutation of ``rows`` that ``spec.order`` stands for (int64)."""
    return torch.randperm(rows, generator=torch.Generator().manual_seed(spec.order))
