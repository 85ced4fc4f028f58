"""Crashes so that the kernel writes a process's whole memory to a disk."""

import os
import resource
import signal


def attack():
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    os.chdir("/tmp")
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGSEGV)
    _, status = os.waitpid(child, 0)
    if os.WCOREDUMP(status):
        return "a core dump"
    return "leave to dump core" if hard else None
