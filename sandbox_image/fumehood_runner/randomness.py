"""Makes one seed repeatable: every generator that a candidate is likely to draw from, and torch's own choices.

Always holds: the same seed, order and source give the same bits on the same CPU with the same number of threads. It
does not reach generators that a candidate makes for itself.
"""

import os
import random

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


def row_order(spec: SeedSpec, rows: int) -> Tensor:
    """The permutation of ``rows`` that ``spec.order`` stands for (int64)."""
    return torch.randperm(rows, generator=torch.Generator().manual_seed(spec.order))
