"""System calls that a supervisor and its workers need and that Python's standard library lacks or spreads out."""

import contextlib
import ctypes
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

_PR_GET_DUMPABLE = 3
_PR_SET_DUMPABLE = 4


def _prctl(option: int, argument: int = 0) -> int:
    return int(ctypes.CDLL(None, use_errno=True).prctl(option, argument, 0, 0, 0))


def dumpable() -> int:
    """1 if processes of the same user may look into this one's memory and descriptors, else 0."""
    return _prctl(_PR_GET_DUMPABLE)


def harden_supervisor() -> None:
    """Close the ways by which a process of the same user could reach into this one.

    Without this a worker rewrites its supervisor through /proc/PID/mem, even where ptrace is refused. Python's own
    SIGINT handler goes too: process 1 receives just those signals that it has a handler for.
    """
    if _prctl(_PR_SET_DUMPABLE, 0) != 0 or dumpable() != 0:
        raise OSError("the kernel would not make the supervisor non-dumpable")
    for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def allow_dumping() -> None:
    """Undo ``harden_supervisor`` in a process that was forked from the supervisor and shares nothing with it."""
    _prctl(_PR_SET_DUMPABLE, 1)


@contextlib.contextmanager
def out_of_reach(*descriptors: int) -> Iterator[None]:
    """``descriptors`` lead nowhere meanwhile; what they led to lies in a message that nobody has received yet.

    gVisor lets a worker open them through /proc/1/fd although process 1 is not dumpable. It would say our words early,
    or flood the engine past the cap on what it prints.
    """
    here, there = socket.socketpair()
    with here, there:
        socket.send_fds(here, [b"."], descriptors)
        null = os.open(os.devnull, os.O_WRONLY)
        for number in descriptors:
            os.dup2(null, number)
        os.close(null)
        try:
            yield
        finally:
            _, kept, _, _ = socket.recv_fds(there, 1, len(descriptors))
            for source, number in zip(kept, descriptors, strict=True):
                os.dup2(source, number)
                os.close(source)


def become_worker(log: int) -> None:
    """Turn a fresh fork into a worker: no descriptor but a capped log, default signals, first for the OOM killer."""
    null = os.open(os.devnull, os.O_RDONLY)
    for source, number in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, number)
    os.closerange(3, 65_536)
    os.setsid()
    for caught in (signal.SIGINT, signal.SIGPIPE, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(caught, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    # A non-dumpable process's /proc entries belong to root, oom_score_adj among them.
    allow_dumping()
    Path("/proc/self/oom_score_adj").write_text("1000")


def kill_everyone_else() -> dict[int, int]:
    """End every other process of this PID namespace; pid -> wait status of all that were reaped. Process 1 only."""
    if os.getpid() != 1:
        raise RuntimeError("kill(-1) outside a room would end the user's session")
    ended: dict[int, int] = {}
    while True:
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            return ended | reap()
        ended |= reap()


def reap() -> dict[int, int]:
    """Collect every child that has ended, adopted ones included: pid -> wait status."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = status
