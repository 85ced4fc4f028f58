"""The workers of a room: forked, heard, ended together at the deadline, and asked for what they left.

Runs in the room's first process, which trusts none of them: what they print is capped, what they leave is read as a
regular file of a sane size or not at all, and how they ended is what the kernel says.
"""

import contextlib
import os
import selectors
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from fumehood_runner import lifeline, process
from fumehood_shared import caps, paths
from fumehood_shared.messages import Failure, FailureKind, Message, WorkerReport

Job = Callable[[int], Message]
"""Runs in a worker: takes the seed's index, returns what the worker reports."""
Together = Callable[[], Sequence[WorkerReport]]
"""Runs in one worker for all seeds; a report that says ``alone`` leaves its seed to be run by itself."""

EXCHANGE: Final = Path(paths.EXCHANGE)
_HEADING_BYTES = 32
"""More than what the log needs to say whose words follow."""
_BALLAST = "ballast"
"""Keeps room in the volume for log and result, however full the workers leave it."""


@dataclass
class Worker:
    """One forked process and what became of it."""

    index: int
    pid: int
    log: int
    """Read end of the pipe that is its standard output and error."""
    status: int | None = None
    """Wait status; None while it runs, and for good if it was ended at the deadline."""
    out_of_time: bool = False
    kept: bytearray = field(default_factory=bytearray)
    beside: int = 0
    """How many other seeds ran in the same process."""
    alone_because: str = ""
    """Why a process of all seeds left this one to be run alone; its words."""
    heard: WorkerReport | None = None

    @property
    def folder(self) -> Path:
        return EXCHANGE / paths.OUT / paths.seed_dir(self.index)

    def report_bytes(self) -> bytes | None:
        """The worker's report, if it left a regular file of a sane size. Taken out of the folder, which is sent on."""
        path = self.folder / paths.REPORT
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            raw = os.read(handle, caps.RESULT_BYTES + 1) if _is_regular(handle) else None
        finally:
            os.close(handle)
        # What cannot be taken out stays, and the controller refuses the output because of it.
        with contextlib.suppress(OSError):
            path.unlink()
        return raw if raw is not None and len(raw) <= caps.RESULT_BYTES else None

    def report(self) -> WorkerReport:
        """Its own story where it left one, else the failure that the supervisor saw."""
        told = self.told()
        if told is None or (self.beside and told.seeds_ran == "alone"):
            told = WorkerReport(index=self.index, failure=self.failure())
        how = {"seeds_ran": "together" if self.beside else "alone", "alone_because": self.alone_because}
        return told.model_copy(update={"index": self.index, **how})

    def told(self) -> WorkerReport | None:
        """What it says itself; read once, when the process is dead."""
        raw = None if self.heard else self.report_bytes()
        if raw is not None:
            try:
                self.heard = WorkerReport.model_validate_json(raw)
            except ValidationError:
                why = Failure(kind=FailureKind.HOSTILE_OUTPUT, message="the worker's report is not valid")
                self.heard = WorkerReport(index=self.index, failure=why, seeds_ran="together")
        return self.heard

    def failure(self) -> Failure:
        if self.out_of_time:
            return Failure(kind=FailureKind.TIMEOUT, message="not finished at the deadline, and ended")
        all_of_them = f" (the one process of all {self.beside + 1} seeds)" if self.beside else ""
        if self.status is not None and os.WIFSIGNALED(self.status):
            how = f"ended by {_signal_name(os.WTERMSIG(self.status))}"
        else:
            code = os.waitstatus_to_exitcode(self.status) if self.status is not None else None
            how = f"exited with status {code} and without a report"
        return Failure(kind=FailureKind.CRASHED, message=how + all_of_them)


def lay_ballast() -> None:
    """Take the room that log and result will need, before there is a job. The crew gives it back."""
    write(EXCHANGE / _BALLAST, bytes(caps.LOG_BYTES + 2 * caps.RESULT_BYTES))


class Crew:
    """Runs ``job`` for ``count`` seeds in forked workers, ``at_once`` at a time, until ``deadline`` (monotonic).

    Where ``together`` is given, one worker runs that for all seeds first, and workers of their own get what it leaves.
    """

    def __init__(
        self, job: Job, *, count: int, at_once: int, deadline: float, together: Together | None = None
    ) -> None:
        self._job = job
        self._together = together
        self._waiting = list(range(count))
        self._alone_because: dict[int, str] = {}
        self._at_once = at_once
        self._deadline = deadline
        self._workers: list[Worker] = []
        self._first: Worker | None = None
        """The worker of all seeds; from its end on there is one for each of them in ``_workers``."""
        logs = count + (together is not None)
        self._log_share = (caps.LOG_BYTES - logs * _HEADING_BYTES) // (2 * logs)

    def run(self) -> list[Worker]:
        """Run all to their end; on return no other process of the room is alive and the log is written."""
        with process.out_of_reach(1, 2):
            self._work_until_the_end()
            self._note_ends(process.kill_everyone_else())
        for worker in self._everyone():
            self._drain_what_is_left(worker)
        (EXCHANGE / _BALLAST).unlink(missing_ok=True)
        # A worker that put something in the way lost its log; the controller refuses what stands there.
        with contextlib.suppress(OSError):
            write(EXCHANGE / paths.OUT / paths.LOG, self._log())
        return sorted(self._workers, key=lambda w: w.index)

    def _work_until_the_end(self) -> None:
        with selectors.DefaultSelector() as selector:
            wake = _wake_on_child()
            selector.register(wake, selectors.EVENT_READ, "child")
            selector.register(0, selectors.EVENT_READ, "lifeline")
            while self._start_more(selector) and self._deadline > time.monotonic():
                for key, _ in selector.select(timeout=min(1.0, max(0.0, self._deadline - time.monotonic()))):
                    self._handle(key, selector, wake)
        self._give_up_on_the_rest()

    def _start_more(self, selector: selectors.BaseSelector) -> bool:
        """Fill the free places; True while anyone runs."""
        if self._together is not None and self._first is None:
            self._first = self._fork(self._waiting, self._together)
            selector.register(self._first.log, selectors.EVENT_READ, self._first)
        if self._first is not None and not self._workers:
            if self._first.status is None:
                return True
            self._divide(self._first)
        running = sum(w.status is None for w in self._workers)
        if self._waiting and (self._workers or self._first) and not running:
            # Whoever the seed before left behind holds memory, on a GPU all of it, that the next one is to have.
            process.kill_everyone_else()
        while self._waiting and running < self._at_once:
            index = self._waiting.pop(0)
            worker = self._fork([index], partial(self._one, index))
            worker.alone_because = self._alone_because.get(index, "")
            self._workers.append(worker)
            selector.register(worker.log, selectors.EVENT_READ, worker)
            running += 1
        return running > 0

    def _fork(self, seeds: Sequence[int], job: Callable[[], Sequence[Message]]) -> Worker:
        folders = [EXCHANGE / paths.OUT / paths.seed_dir(index) for index in seeds]
        for folder in folders:
            folder.mkdir(mode=0o700)
        read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(write, True)
        pid = os.fork()
        if pid == 0:
            _work(job, write, folders)
        os.close(write)
        return Worker(index=seeds[0], pid=pid, log=read)

    def _one(self, index: int) -> Sequence[Message]:
        return [self._job(index)]

    def _divide(self, first: Worker) -> None:
        """Each seed of the worker of all is one that it ran, or ended badly with, or left to be run alone."""
        process.kill_everyone_else()
        seeds, self._waiting = self._waiting, []
        for index in seeds:
            own = Worker(index=index, pid=first.pid, log=-1, status=first.status, out_of_time=first.out_of_time)
            own.beside = len(seeds) - 1
            left = own.told()
            if first.status == 0 and left is not None and left.seeds_ran == "alone":
                shutil.rmtree(own.folder)
                self._alone_because[index] = left.alone_because
                self._waiting.append(index)
            else:
                self._workers.append(own)

    def _everyone(self) -> list[Worker]:
        return [*([self._first] if self._first else []), *self._workers]

    def _handle(self, key: selectors.SelectorKey, selector: selectors.BaseSelector, wake: int) -> None:
        if key.data == "lifeline":
            if not os.read(0, 4096):
                lifeline.end_room()
        elif key.data == "child":
            os.read(wake, 4096)
            self._note_ends(process.reap())
        elif not self._drain(key.data):
            selector.unregister(key.fd)

    def _note_ends(self, ended: Mapping[int, int]) -> None:
        for worker in self._everyone():
            if worker.status is None and worker.pid in ended:
                worker.status = ended[worker.pid]

    def _give_up_on_the_rest(self) -> None:
        """Whoever has not ended by itself when the loop ends is out of time, started or not."""
        self._note_ends(process.reap())
        for worker in self._everyone():
            worker.out_of_time = worker.status is None
        if self._first is not None and not self._workers:
            self._divide(self._first)
        for index in self._waiting:
            self._workers.append(Worker(index=index, pid=-1, log=-1, out_of_time=True))

    def _drain_what_is_left(self, worker: Worker) -> None:
        """A pipe holds at most 1 MiB, so the number of reads is bounded."""
        for _ in range(32):
            if worker.log < 0 or not self._drain(worker):
                return

    def _drain(self, worker: Worker) -> bool:
        """Take what the worker printed; keep the beginning and the end. False at end of file.

        Reading goes on past the cap, and drops: a worker must not block on a full pipe, nor fill memory.
        """
        try:
            chunk = os.read(worker.log, 65_536)
        except BlockingIOError:
            return True
        worker.kept += chunk
        excess = len(worker.kept) - 2 * self._log_share
        if excess > 0:
            del worker.kept[self._log_share : self._log_share + excess]
        return bool(chunk)

    def _log(self) -> bytes:
        parts = [b"== worker %d\n%s\n" % (w.index, bytes(w.kept)) for w in self._everyone() if w.kept]
        return b"".join(parts)[: caps.LOG_BYTES]


def _work(job: Callable[[], Sequence[Message]], log: int, folders: Sequence[Path]) -> None:
    """Body of a worker; never returns. ``job`` gives a report for each of ``folders``."""
    code = 1
    try:
        process.become_worker(log)
        # A worker ends without Python's own farewell, often by a signal: what was printed must be out by then.
        sys.stdout = open(1, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115
        worker = os.getpid()
        reports = job()
        # A candidate that forks returns here more than once.
        if os.getpid() == worker:
            for folder, report in zip(folders, reports, strict=True):
                _leave(folder, report)
            code = 0
            sys.stdout.flush()
    except BaseException:  # noqa: BLE001  # the last frame of the process: whatever it is, say so in the log and end
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def leave(report: WorkerReport) -> None:
    """For a worker that goes on: counts where it comes to a bad end, and is replaced by what it says at a good one.

    Raises OSError where the volume is full: the seed has failed then, whatever room it may find later.
    """
    write(EXCHANGE / paths.OUT / paths.seed_dir(report.index) / paths.REPORT, report.model_dump_json().encode())


def _leave(folder: Path, report: Message) -> None:
    """Write the report; where the volume is full, in place of what the seed has written."""
    path = folder / paths.REPORT
    try:
        write(path, report.model_dump_json().encode())
    except OSError as error:
        if not isinstance(report, WorkerReport):
            raise
        for written in folder.iterdir():
            written.unlink()
        why = Failure(kind=FailureKind.OOM, message=f"the room's exchange volume is full: {error.strerror}")
        write(path, report.model_copy(update={"failure": report.failure or why}).model_dump_json().encode())


def _wake_on_child() -> int:
    """A descriptor that becomes readable whenever a child ends."""
    read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return read


def _signal_name(number: int) -> str:
    """Python has no names for most real-time signals."""
    known = {s.value: s.name for s in signal.Signals}
    return known.get(number, f"signal {number}")


def _is_regular(handle: int) -> bool:
    return (os.fstat(handle).st_mode & 0o170000) == 0o100000


def write(path: Path, content: bytes) -> None:
    """Whole or not at all, by rename; whatever stood at ``path`` is replaced, never followed."""
    draft = path.with_name(path.name + ".part")
    for obstacle in (draft, path):
        if obstacle.is_dir() and not obstacle.is_symlink():
            shutil.rmtree(obstacle, ignore_errors=True)
        else:
            obstacle.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    draft.rename(path)
