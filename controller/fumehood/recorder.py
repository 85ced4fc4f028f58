"""A run in its directory: appends to the journal and keeps the state that the journal leads to, always the same.

One process at a time. Reports and the registry are written from the state, never from anything else.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from structlog.typing import FilteringBoundLogger

from fumehood import interruption, report
from fumehood.errors import InternalError, UsageError
from fumehood.journal import Journal, State, fold
from fumehood.log import run_log
from fumehood.policy import Policy
from fumehood.records import Dataset, Record, Run, RunSettings
from fumehood.run_directory import RunDirectory
from fumehood.signing import SigningKey


class Recorder:
    """Use ``begin`` or ``reopen``."""

    def __init__(self, directory: RunDirectory, journal: Journal, state: State, log: FilteringBoundLogger) -> None:
        self.directory = directory
        self.state = state
        self._journal = journal
        self._log = log

    @property
    def run(self) -> Run:
        return self.state.run

    @property
    def dataset(self) -> Dataset:
        if self.run.dataset is None:
            raise InternalError("the data are used before they are prepared")
        return self.run.dataset

    @property
    def is_signed(self) -> bool:
        """Whether the run was begun with a signing key; it stays as it began."""
        return self._journal.is_signed

    @property
    def policy(self) -> Policy:
        """The policy that the run began with."""
        return self.state.limits()

    def note(self, kind: str, **body: Record | str | float | Mapping[str, Any] | Sequence[int] | None) -> None:
        """Append one step to the journal, on disk when this returns, and move the state on.

        Raises KeyboardInterrupt after that, where a Ctrl-C was swallowed on the way here.
        """
        entry = self._journal.append(kind, **body)
        self.state = fold([entry], self.state)
        self._log.info(kind, run=self.run.run_id, step=entry.number, iterations=len(self.run.iterations))
        interruption.check()

    def spent_s(self) -> float:
        """Seconds that the run has been worked on until now; pauses before a resumption are left out."""
        return self.state.worked_s + self._journal.idle_s()

    def time_left_s(self) -> float:
        """Seconds until the run's time budget is used up; infinite without one."""
        minutes = self.run.settings.budget_minutes
        return float("inf") if minutes is None else minutes * 60 - self.spent_s()

    def report(self) -> None:
        """Write registry and reports as of now."""
        report.write(self.run, self.directory.path)

    def report_if_possible(self) -> None:
        """The same after a failure, which a second one must not hide: it goes into the log."""
        try:
            self.report()
        except Exception:  # noqa: BLE001  # whatever it is, the first failure is the one to tell
            self._log.exception("the reports could not be written")


@contextmanager
def begin(
    directory: RunDirectory,
    settings: RunSettings,
    policy: Policy,
    versions: Mapping[str, str],
    key: SigningKey | None = None,
) -> Iterator[Recorder]:
    """Start a run in a new directory; its journal is signed where there is a ``key``."""
    with directory.locked(), run_log(directory.log) as log, Journal(directory.journal, key) as journal:
        run_id = secrets.token_hex(8)
        entry = journal.append(
            "started", run_id=run_id, settings=settings, policy=policy.model_dump(mode="json"), versions=dict(versions)
        )
        yield Recorder(directory, journal, fold([entry]), log)


@contextmanager
def reopen(directory: RunDirectory, key: SigningKey | None = None) -> Iterator[Recorder]:
    """Go on with a run.

    Raises UsageError if it is finished, held by another process, signed with another ``key``, or its journal is broken.
    """
    with directory.locked(), run_log(directory.log) as log, Journal(directory.journal, key) as journal:
        state = journal.state or fold([])
        if state.run.finished_at is not None:
            raise UsageError(
                f"the run in {directory.path} is finished", f"look at it: fumehood report {directory.path}"
            )
        recorder = Recorder(directory, journal, state, log)
        recorder.note("resumed")
        yield recorder
