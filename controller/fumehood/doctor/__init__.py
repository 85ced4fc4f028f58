"""Can this machine do what a policy asks? Every question is one ``Check``: what was seen, and what to do about it.

A file for each thing that is looked at: the engine, versions with known holes, this machine, the Python environment,
a policy by itself. They ask, and judge in pure functions. Nothing is changed anywhere, and a check that cannot be made
says so instead of passing.
"""

from pathlib import Path

from fumehood.doctor import engine, environment, machine
from fumehood.doctor.check import Check as Check
from fumehood.doctor.check import passed as passed
from fumehood.policy import Policy


def examine(policy: Policy, cwd: Path) -> list[Check]:
    """Ask everything that a run under ``policy`` in the folder ``cwd`` would rely on."""
    return [*engine.checks(policy), *machine.checks(cwd), *environment.checks()]
