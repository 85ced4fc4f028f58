"""A policy by itself: is it valid, is it within the floor, can this machine's engine enforce it?"""

from dataclasses import dataclass

from fumehood import floor, policy
from fumehood.doctor import engine as engine_checks
from fumehood.doctor.check import Check, from_error, passed
from fumehood.errors import EngineError, PolicyError
from fumehood.policy import Policy
from fumehood.sandbox import engine
from fumehood.sandbox.room import engine_errors


@dataclass(frozen=True)
class Verdict:
    """What was found of one policy. Later questions are not asked where an earlier one has no good answer."""

    checks: tuple[Check, ...]
    exit_code: int
    """0; 2 where the policy is at fault; 6 where the engine is."""


def examine(name_or_path: str, *, with_engine: bool) -> Verdict:
    """Ask the questions in turn; without an engine only the first two."""
    try:
        found = policy.load(name_or_path)
    except PolicyError as error:
        return Verdict((from_error("valid", error),), error.exit_code)
    valid = Check(name="valid", status="ok", seen=f"policy {found.name}: {found.description}")
    within = _within_floor(found)
    if within.status == "fail":
        return Verdict((valid, within), PolicyError.exit_code)
    enforced = _enforced(found) if with_engine else []
    return Verdict((valid, within, *enforced), 0 if passed(enforced) else EngineError.exit_code)


def _within_floor(found: Policy) -> Check:
    try:
        floors = floor.read()
        floor.enforce(found, floors)
    except PolicyError as error:
        return from_error("floor", error)
    seen = ", ".join(f"as tight as {it.source}" for it in floors) or "no floor is set on this machine"
    return Check(name="floor", status="ok", seen=seen)


def _enforced(found: Policy) -> list[Check]:
    try:
        endpoint, client = engine.reach()
        with engine_errors("describing itself"):
            info, version, name = client.info(), client.version(), engine.describe(client)
    except EngineError as error:
        return [from_error("engine", error)]
    there = Check(name="engine", status="ok", seen=f"{name} at {endpoint.url}")
    return [there, *engine_checks.enforcement(info, version, found)]
