"""Pickles of arrays and plain values, and of nothing else: the one place where anything is unpickled.

CIFAR is published as pickles. A pickle is a program; what it may call is listed here: NumPy's own constructors of
arrays and numbers, and the decoder that Python 3 writes bytes with. Dictionaries, lists, texts and numbers need none.
Whoever could still do harm with these meets a room without network, rights or generated code.
"""

import _codecs
import pickle
from typing import IO, Any

import numpy as np
from numpy._core import multiarray

from fumehood_runner.prepare.refusals import Refused, shown
from fumehood_shared.messages import RefusalKind

_ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _codecs.encode,
    **{
        (f"numpy.{core}.multiarray", name): getattr(multiarray, name)
        for core in ("core", "_core")
        for name in ("_reconstruct", "scalar")
    },
}


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (found := _ALLOWED.get((module, name))) is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return found


def load(file: IO[bytes], name: str) -> dict[str, Any]:
    """The dictionary pickled in ``file``, its keys as text. ``name`` is what a refusal calls the file."""
    try:
        content = _Plain(file, encoding="latin1").load()
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle can raise anything at all
        raise Refused(
            RefusalKind.NOT_READABLE,
            f"{shown(name)} is damaged, or is no pickle of arrays and plain values: {shown(str(error), 120)}.",
        ) from error
    if not isinstance(content, dict):
        raise Refused(RefusalKind.NOT_READABLE, f"{shown(name)} holds no dictionary.")
    return {str(key): value for key, value in content.items()}
