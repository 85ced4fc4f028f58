"""Turns whatever a candidate raised into a typed ``Failure`` that fits the wire.

Always holds: no exception object, however it behaves, escapes from ``failure_of``; texts fit their caps and are valid
UTF-8; a traceback shows the candidate's and torch's frames, never ours. It judges what was raised and where, not what
the candidate meant.
"""

import errno
import re
import traceback
from pathlib import Path
from types import TracebackType
from typing import Final

import torch

from fumehood_shared import caps, paths
from fumehood_shared.messages import Failure, FailureKind

_TORCH: Final = str(Path(torch.__file__).parent)
_MODULE_CALL: Final = str(Path(_TORCH, "nn", "modules", "module.py"))
_FRAMES: Final = 100
_FULL: Final = {errno.ENOMEM, errno.ENOSPC, errno.EDQUOT}

_OUT_OF_MEMORY: Final = re.compile(
    r"DefaultCPUAllocator|can't allocate memory|not enough memory|out of memory|CU\w+_ALLOC(ATION)?_FAILED",
    re.IGNORECASE,
)
_SHAPE: Final = re.compile(
    r"shapes? cannot be multiplied|size mismatch|must match|invalid for input of size|normalized_shape"
    r"|[Ee]xpected .*(\dD|input|channels|dim|size|shape|value per channel)|Given (groups|input size|normalized)"
    r"|Dimension out of range|not broadcastable|broadcast|[Kk]ernel size can't be greater|is too small"
    r"|[Dd]imension|number of dims|view size is not compatible|not divisible|cannot be reshaped|[Ss]tack expects"
    r"|inconsistent tensor size|to be equal|the number of sizes provided|\bshape\b"
)
_TYPE: Final = re.compile(r"dtype|scalar type")


class CandidateFailed(Exception):
    """The candidate broke a rule that we check ourselves; ``line`` is the source line to look at, where one is."""

    def __init__(self, kind: FailureKind, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.line = line


def failure_of(error: BaseException) -> Failure:
    """Describe ``error`` as a claim about the candidate. Never raises."""
    try:
        return Failure(
            kind=_kind(error), message=_message(error), traceback=_shown_traceback(error), line=_source_line(error)
        )
    except BaseException:  # noqa: BLE001 -- the candidate's exception class is hostile, or memory is gone
        return Failure(kind=FailureKind.CRASHED, message="the candidate raised an exception that cannot be described")


def tidy(text: str, limit: int) -> str:
    """``text`` as valid UTF-8 of at most ``limit`` characters, its beginning kept."""
    clean = text[: limit + 1].encode("utf-8", "replace").decode()
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def _kind(error: BaseException) -> FailureKind:
    if isinstance(error, CandidateFailed):
        return error.kind
    if _is_out_of_memory(error):
        return FailureKind.OOM
    if isinstance(error, ImportError):
        return FailureKind.IMPORT
    return FailureKind.SHAPE if _is_shape_error(error) else FailureKind.CRASHED


def _is_out_of_memory(error: BaseException) -> bool:
    """Memory of the host, of the GPU, or of the room's tmpfs, which is memory too."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno in _FULL
    return isinstance(error, RuntimeError) and _OUT_OF_MEMORY.search(str(error)) is not None


def _is_shape_error(error: BaseException) -> bool:
    """A complaint about sizes that came up while a module was being called."""
    if not isinstance(error, RuntimeError | ValueError | IndexError) or isinstance(error, RecursionError):
        return False
    files = {frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)}
    text = str(error)
    return _MODULE_CALL in files and _SHAPE.search(text) is not None and _TYPE.search(text) is None


def _message(error: BaseException) -> str:
    if isinstance(error, CandidateFailed):
        return tidy(str(error), caps.MESSAGE_CHARS)
    if isinstance(error, SystemExit):
        return tidy(f"the candidate ended the program (SystemExit: {error.code})", caps.MESSAGE_CHARS)
    return tidy("".join(traceback.format_exception_only(error)[-1:]).strip(), caps.MESSAGE_CHARS)


def _shown_traceback(error: BaseException) -> str:
    """The candidate's and torch's frames and the exception, the end kept; empty where no such frame exists."""
    cause = _root(error)
    frames = [f for f in traceback.extract_tb(cause.__traceback__, limit=-_FRAMES) if _is_shown(f.filename)]
    if not frames and not isinstance(cause, SyntaxError):
        return ""
    lines = [*traceback.format_list(frames), *traceback.format_exception_only(cause)]
    return "".join(lines).encode("utf-8", "replace").decode()[-caps.TRACEBACK_CHARS :]


def _root(error: BaseException) -> BaseException:
    """What the candidate raised, where our own exception only names it."""
    return error.__cause__ if isinstance(error, CandidateFailed) and error.__cause__ is not None else error


def _is_shown(filename: str) -> bool:
    return filename == paths.SOURCE or filename.startswith(_TORCH)


def _source_line(error: BaseException) -> int | None:
    if isinstance(error, CandidateFailed) and error.line is not None:
        return error.line
    cause = _root(error)
    if isinstance(cause, SyntaxError) and cause.filename == paths.SOURCE:
        return cause.lineno
    return _last_line(cause.__traceback__)


def _last_line(trace: TracebackType | None) -> int | None:
    """Line of the innermost frame that runs the candidate's own source."""
    lines = [line for frame, line in traceback.walk_tb(trace) if frame.f_code.co_filename == paths.SOURCE]
    return lines[-1] if lines else None
