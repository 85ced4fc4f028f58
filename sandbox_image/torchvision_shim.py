"""Lets ``import torchvision`` work beside a torch without CUDA.

torchvision's wheel registers fake kernels for two operators that its compiled library defines; that library wants
CUDA, so without it the import ends in "operator torchvision::nms does not exist". Declaring the two operators first,
as ``torchvision/csrc/ops/nms.cpp`` and ``ops/quantized`` do, is enough for data sets, transforms and models; calling
the compiled detection operators stays an error. Nothing is imported before a candidate imports torchvision itself.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

OPERATORS = ("nms", "qnms")
SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


class DeclareOperators(MetaPathFinder):
    """Finds nothing, but is asked before the real finders are: that is the moment to declare the operators."""

    def __init__(self) -> None:
        self.library: Any = None  # torch.library.Library; the declarations live as long as it does

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        if fullname == "torchvision" and self.library is None:
            self.library = declare()
        return None


def declare() -> Any:
    """Declare the operators and return their library, or None where torch has CUDA and torchvision brings its own."""
    import torch

    if torch.version.cuda is not None:
        return None
    library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]  # torch does not type it
    for name in OPERATORS:
        library.define(f"{name}{SIGNATURE}")
    return library


def install() -> None:
    """Watch for the first ``import torchvision`` of this process."""
    sys.meta_path.insert(0, DeclareOperators())
