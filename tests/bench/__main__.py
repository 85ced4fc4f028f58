"""``make bench``: measure what isolation costs and print one JSON document. See README.md beside this file.

Progress goes to standard error. The arguments are those that ``make demo`` gives to ``fumehood run``.
"""

import json
import os
import sys
from collections.abc import Sequence
from statistics import median
from typing import Any

from bench import commands, growth, machine, overhead
from bench.scoring import scoring_s
from fumehood.errors import FumehoodError

ROUNDS = 7
DEMOS = 3
HELPS = 9
SCORINGS = 7


def measure(demo: Sequence[str], *, cold: bool, long: bool) -> dict[str, Any]:
    """Everything, one thing after another; about five minutes on two cores."""
    described = machine.describe()
    _say(f"fumehood --help, {HELPS} times")
    help_ms = commands.help_ms(HELPS)
    found = overhead.measure(ROUNDS, long=long, say=_say)
    _say(f"scoring, {SCORINGS} times")
    found["scoring_s"] = scoring_s(SCORINGS)
    _say("long runs without rooms")
    found["growth"] = growth.measure()
    _say("a search run of three iterations")
    found |= commands.controller_use()
    _say(f"the demo, {DEMOS} times")
    warm = commands.demo_s(demo, DEMOS)
    _say("the demo after building the image's layers anew")
    return {
        "schema_version": 1,
        "demo_cold_s": commands.demo_cold_s(demo, libraries=cold),
        "demo_cold_builds": "libraries and program" if cold else "program",
        "demo_warm_s": median(warm),
        "demo_warm_all_s": warm,
        "help_ms": help_ms,
        "image_mb": machine.image_mb(),
        "machine": described,
        **found,
    }


def main() -> int:
    try:
        document = measure(
            sys.argv[1:],
            cold=os.environ.get("FUMEHOOD_BENCH_COLD") == "1",
            long=os.environ.get("FUMEHOOD_BENCH_LONG") == "1",
        )
    except FumehoodError as error:
        print(f"bench: {error.what}\n  what to do: {error.hint}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(_rounded(document), indent=2))
    return 0


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
