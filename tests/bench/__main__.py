"""``make bench``: measure what isolation costs and print one JSON document. See README.md beside this file.

Progress goes to standard error. The arguments are those that ``make demo`` gives to ``fumehood run``.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, NamedTuple

from bench import accelerator, asking, commands, evaluations, first_steps, growth, machine, minute, searches, strict
from bench.preparing import prepare_digits_s
from bench.scoring import scoring_s
from bench.surroundings import apart
from fumehood import policy
from fumehood.errors import FumehoodError, UsageError

MINUTES = 3
DEMOS = 3
HELPS = 9


class Part(NamedTuple):
    """What is measured together."""

    items: frozenset[str]
    measure: Callable[[], dict[str, Any]]


def parts(demo: Sequence[str], *, times: int, cold: bool) -> tuple[Part, ...]:
    """In the order in which they are measured."""
    return (
        Part(frozenset("6"), _help),
        Part(frozenset("13"), lambda: evaluations.measure(times, _say)),
        Part(frozenset("4"), lambda: first_steps.measure(policy.load("standard"), times, _say)),
        Part(frozenset("2"), lambda: minute.measure(min(MINUTES, times), _say)),
        Part(frozenset("56"), lambda: searches.measure(times, _say)),
        Part(frozenset("7"), _growth),
        Part(frozenset("8"), lambda: strict.measure(times, _say)),
        Part(frozenset("9"), accelerator.measure),
        Part(frozenset({"llm"}), _asking),
        Part(frozenset({"scoring"}), lambda: _scoring(times)),
        Part(frozenset({"preparing"}), lambda: _preparing(times)),
        Part(frozenset({"demo"}), lambda: _demo(demo, cold=cold)),
    )


def chosen(text: str, among: Sequence[Part]) -> list[Part]:
    """The parts that hold an item of the list ``text``, such as ``1,4,demo``; all of them where it is empty."""
    wanted = {item.strip() for item in text.split(",") if item.strip()}
    known = frozenset[str]().union(*(part.items for part in among))
    if unknown := wanted - known:
        raise UsageError(
            f"the bench has no item {', '.join(sorted(unknown))}", f"FUMEHOOD_BENCH_ITEMS={','.join(sorted(known))}"
        )
    return [part for part in among if not wanted or part.items & wanted]


def main() -> int:
    try:
        times, cold = int(os.environ.get("FUMEHOOD_BENCH_TIMES", "7")), os.environ.get("FUMEHOOD_BENCH_COLD") == "1"
        every = parts(sys.argv[1:], times=times, cold=cold)
        measured = chosen(os.environ.get("FUMEHOOD_BENCH_ITEMS", ""), every)
        document: dict[str, Any] = {"schema_version": 2, "machine": machine.describe()}
        with apart():
            for part in measured:
                document |= part.measure()
    except FumehoodError as error:
        print(f"bench: {error.what}\n  what to do: {error.hint}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(_rounded(document), indent=2))
    return 0


def _help() -> dict[str, Any]:
    _say(f"fumehood --help, {HELPS} times")
    return {"help_ms": commands.help_ms(HELPS)}


def _growth() -> dict[str, Any]:
    _say("long runs without rooms")
    return {"growth": growth.measure()}


def _asking() -> dict[str, Any]:
    _say("iterations that a language model leads, without rooms")
    return asking.measure()


def _scoring(times: int) -> dict[str, Any]:
    _say(f"scoring, {times} times")
    return {"scoring_s": scoring_s(times)}


def _preparing(times: int) -> dict[str, Any]:
    _say(f"preparing digits in a warm room, {times} times")
    return {"prepare_digits_s": prepare_digits_s(times)}


def _demo(demo: Sequence[str], *, cold: bool) -> dict[str, Any]:
    _say(f"the demo, {DEMOS} times")
    warm = commands.demo_s(demo, DEMOS)
    _say("the demo after building the image's layers anew")
    return {
        "demo_cold_s": commands.demo_cold_s(demo, libraries=cold),
        "demo_cold_builds": "libraries and program" if cold else "program",
        "demo_warm_s": median(warm),
        "demo_warm_all_s": warm,
        "image_mb": machine.image_mb(),
    }


def _rounded(value: Any) -> Any:
    """Four significant digits are more than any of these numbers has."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def _say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
