"""What an audit finds: values, and nothing that finds them."""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from fumehood.records import Record


class Status(StrEnum):
    SAME = "same"
    DIFFERS = "differs"
    """Something is not what the journal says: a violation."""
    NOT_CHECKED = "not_checked"
    TOLD = "told"
    """Worth knowing, and no failure."""


class Group(StrEnum):
    """What is checked, in the order in which it is shown."""

    JOURNAL = "journal"
    SIGNATURES = "signatures"
    POLICY = "policy"
    LIMITS = "limits of rooms"
    IMAGE = "image"
    DATA = "data"
    SOURCE = "sources"
    RECORDS = "plans, outcomes, logs"
    QUESTIONS = "questions to a language model"
    PREDICTIONS = "predictions"
    WEIGHTS = "weights"
    SCORES = "scores"
    REPORTS = "reports, registry"
    SEAL = "openings of the seal"


class Finding(Record):
    group: Group
    status: Status
    what: str
    """A line, a file, a room. May hold text from the run directory: escape it."""
    detail: str = ""
    """How it differs, why it was not checked, what there is to tell."""
    count: int = 1
    """How many things of the kind this speaks for."""


class Audit(Record):
    run_id: str | None
    """None where the journal does not say."""
    lines: int
    head: str
    """Hash of the last line. Noted elsewhere, it shows a journal that was cut at its end."""
    finished: bool
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        return not any(finding.status is Status.DIFFERS for finding in self.findings)

    def of(self, group: Group, status: Status) -> Iterator[Finding]:
        return (finding for finding in self.findings if (finding.group, finding.status) == (group, status))

    def count(self, group: Group, status: Status) -> int:
        return sum(finding.count for finding in self.of(group, status))


def same(group: Group, what: str, count: int = 1) -> Finding:
    return Finding(group=group, status=Status.SAME, what=what, count=count)


def differs(group: Group, what: str, detail: str) -> Finding:
    return Finding(group=group, status=Status.DIFFERS, what=what, detail=detail)


def not_checked(group: Group, what: str, detail: str, count: int = 1) -> Finding:
    return Finding(group=group, status=Status.NOT_CHECKED, what=what, detail=detail, count=count)


def told(group: Group, what: str, detail: str) -> Finding:
    return Finding(group=group, status=Status.TOLD, what=what, detail=detail)


def are_same(findings: Iterable[Finding]) -> bool:
    return all(finding.status is Status.SAME for finding in findings)
