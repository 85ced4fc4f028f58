"""One question of the doctor's and its answer."""

from collections.abc import Iterable
from typing import Final, Literal

from fumehood.errors import FumehoodError
from fumehood.records import Record

Status = Literal["ok", "warn", "fail"]
GIB: Final = 1024**3


class Check(Record):
    """A ``fail`` means that a run would be refused; a ``warn`` that it runs with less speed, room or defence."""

    name: str
    status: Status
    seen: str
    hint: str = ""
    """What to do; empty where all is well."""


def passed(checks: Iterable[Check]) -> bool:
    """Whether nothing is missing that a run needs."""
    return all(check.status != "fail" for check in checks)


def from_error(name: str, error: FumehoodError) -> Check:
    return Check(name=name, status="fail", seen=error.what, hint=error.hint)


def gib(size: int) -> str:
    """``1.5 GiB``."""
    return f"{size / GIB:.1f} GiB"
