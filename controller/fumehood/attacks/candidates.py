"""From attack programs to the source of one candidate, and from a room's log to what each program printed. Pure.

What a program printed is its own story: it tells that an attack took place, never that it failed.
"""

import re
from collections.abc import Mapping
from typing import Any

from fumehood import assets

_HEADING = re.compile(r"^== worker (\d+)$", re.MULTILINE)


def honest() -> str:
    """The candidate that every deed is built on."""
    return _program("honest.py")


def together(programs: Mapping[int, str]) -> str:
    """A candidate whose seed K runs ``programs[K]`` on top of the honest one, or the honest one alone."""
    return f"HONEST = {honest()!r}\nPROGRAMS = {dict(programs)!r}\n{_program('company.py')}"


def probing(programs: Mapping[str, str], told: Mapping[str, Any]) -> str:
    """A candidate that tries probes one after another, in its training and in its predicting, and prints findings."""
    return f"{honest()}\n{alone(programs, told)}"


def alone(programs: Mapping[str, str], told: Mapping[str, Any]) -> str:
    """A program that does the same by itself and needs no library."""
    given = f"PROBES = {dict(programs)!r}\nTOLD = {dict(told)!r}\nKIT = {_program('kit.py')!r}"
    return f"{given}\n{_program('harness.py')}"


def before(control: str) -> str:
    """The program ``control`` that a control runs before its probes; "" is none."""
    return _program(f"controls/{control}.py") if control else ""


def leaving(given: Mapping[str, Any]) -> str:
    """A candidate that leaves many folders of output; for what it is given see ``trees.py``."""
    constants = "".join(f"{name} = {value!r}\n" for name, value in given.items())
    return f"{honest()}\n{constants}{_program('trees.py')}"


def said(log: str, index: int) -> str:
    """What the room's log holds of the worker ``index``."""
    parts = _HEADING.split(log)
    return dict(zip(parts[1::2], parts[2::2], strict=True)).get(str(index), "").strip()


def _program(name: str) -> str:
    return (assets.sandbox_image() / "attacks" / name).read_text(encoding="utf-8")
