"""The error tree: one exit code per class, and every message says what happened, why, and what to do.

    FumehoodError                    70  our bug, when nothing more precise was raised
    ├── UsageError                    2  the command line, a goal, a data specification, a policy file
    │   ├── DataError                 2  a data set that cannot be used
    │   └── PolicyError               2  a policy that cannot be read, or is looser than the floor
    ├── NoCandidateError              3  nothing survived
    ├── HostileOutputError            4  a room's output broke the protocol, or a violation was seen from outside
    ├── BudgetError                   5  time, tokens or money are used up
    ├── EngineError                   6  no engine, no image, or an engine that cannot enforce the policy
    ├── MemoryTroubleError            6  the memory's database is locked, read-only, full, broken or out of reach
    ├── LlmError                      7  no language model answers, or it refuses
    │   └── UnusableAnswerError       7  what it answers cannot be used, even after it was told why
    ├── InternalError                70  an invariant of ours does not hold
    └── Interrupted                 130  Ctrl-C

A candidate that fails is not an error: it is an ``Envelope`` with failures in it (``records``).
"""

from typing import ClassVar


class FumehoodError(Exception):
    """``what`` happened and why, in one sentence; ``hint`` says what to do next."""

    exit_code: ClassVar[int] = 70
    kind: ClassVar[str] = "internal"

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class UsageError(FumehoodError):
    exit_code = 2
    kind = "usage"


class DataError(UsageError):
    kind = "data"


class PolicyError(UsageError):
    kind = "policy"


class NoCandidateError(FumehoodError):
    exit_code = 3
    kind = "no_candidate"


class HostileOutputError(FumehoodError):
    exit_code = 4
    kind = "hostile_output"


class BudgetError(FumehoodError):
    exit_code = 5
    kind = "budget"


class EngineError(FumehoodError):
    exit_code = 6
    kind = "engine"


class MemoryTroubleError(FumehoodError):
    """Research goes on without memory."""

    exit_code = 6
    kind = "memory"


class LlmError(FumehoodError):
    exit_code = 7
    kind = "llm"


class UnusableAnswerError(LlmError):
    """Research goes on without it where it can."""


class InternalError(FumehoodError):
    """Raised where continuing would rest on something that is not so."""


class Interrupted(FumehoodError):
    exit_code = 130
    kind = "interrupted"
