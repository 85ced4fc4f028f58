"""The program of the prepare room: raw files in, arrays per split out, or a refusal that says why not.

It runs on the untrusted side, without network, beside no generated code, and never imports torch. Always holds:
encoders are fitted on training rows only; what is returned about the data is counts and column names, never the
values of a row; a data set that cannot be used becomes a ``Refusal``, while an exception is a bug of ours.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fumehood_runner.prepare.refusals import Refused
from fumehood_shared.messages import (
    EncodeReply,
    EncodeRequest,
    PrepareReply,
    PrepareRequest,
    Refusal,
    RefusalKind,
)

__all__ = ["encode", "prepare"]

Reply = TypeVar("Reply")


def prepare(request: PrepareRequest, exchange: Path) -> PrepareReply | Refusal:
    """Load ``exchange/in/raw``, split, fit, and write ``exchange/out/{train,validation,test}_{inputs,targets}.bin``.

    Inputs are float32 N x F or N x C x H x W; targets int64 N, or float32 N x 1 in their own units.
    """
    from fumehood_runner.prepare.jobs import run_prepare  # its libraries take a second to import

    return _or_refusal(lambda: run_prepare(request, exchange))


def encode(request: EncodeRequest, exchange: Path) -> EncodeReply | Refusal:
    """Apply ``request.encoding`` to the rows in ``exchange/in/raw`` and write ``exchange/out/inputs.bin``, float32."""
    from fumehood_runner.prepare.jobs import run_encode

    return _or_refusal(lambda: run_encode(request, exchange))


def _or_refusal(job: Callable[[], Reply]) -> Reply | Refusal:
    try:
        return job()
    except Refused as refused:
        return refused.refusal
    except MemoryError:
        return Refusal(
            kind=RefusalKind.NOT_READABLE,
            message="The data does not fit the memory of the prepare room. Use fewer rows or columns, or a policy "
            "with more memory.",
        )
