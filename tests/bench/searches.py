"""Items 5 and 6: searches on digits as a user starts them, long and short, and the long ones again without rooms.

Long and short runs differ in nothing but the number of candidates, so the difference of what they take, divided, is
what one more candidate takes.
"""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench.commands import Usage, used
from bench.memory.made import insights
from bench.surroundings import with_memory
from fumehood.journal import read
from fumehood.memory.rows import to_line

_LONG, _SHORT = 5, 1
"""Candidates of a run."""
_KNOWN = 200
"""Insights in the memory of a run."""
_SEARCH = ("--goal", "Classify handwritten digits", "--data", "digits", "--planner", "search", "--seed", "0", "--json")
"""No target, so that every iteration takes place."""


@dataclass(frozen=True)
class Pair:
    """One long and one short run of the program; processor time and memory are the controller's."""

    long: Usage
    short: Usage
    search_s: float
    """Of the long run: from the data being prepared to the last decision."""
    bare_s: float
    """The same candidates without rooms, with torch's own choice of threads."""
    bare_one_thread_s: float | None
    """And with one thread; None where this was not measured."""


def measure(times: int, say: Callable[[str], None]) -> dict[str, Any]:
    pairs = []
    for number in range(times):
        say(f"searches of {_LONG} and of {_SHORT}, with rooms and without, {number + 1} of {times}")
        pairs.append(_pair(one_thread=number == 0))
    return summarise(pairs)


def summarise(pairs: list[Pair]) -> dict[str, Any]:
    """Medians; a ratio above 1 means more candidates an hour with rooms than without."""
    more = _LONG - _SHORT
    with_rooms, bare = median(p.search_s for p in pairs), median(p.bare_s for p in pairs)
    long_cpu, short_cpu = median(p.long.cpu_s for p in pairs), median(p.short.cpu_s for p in pairs)
    return {
        "throughput_ratio": bare / with_rooms,
        "controller_rss_mb": max(p.long.peak_rss_mb for p in pairs),
        "controller_cpu_ms_per_candidate": 1000 * (long_cpu - short_cpu) / more,
        "searches": {
            "candidates_per_hour": 3600 * _LONG / with_rooms,
            "candidates_per_hour_bare": 3600 * _LONG / bare,
            "with_rooms_s": [p.search_s for p in pairs],
            "bare_s": [p.bare_s for p in pairs],
            "bare_one_thread_s": next((p.bare_one_thread_s for p in pairs if p.bare_one_thread_s), None),
            "controller_cpu_s_long": [p.long.cpu_s for p in pairs],
            "controller_cpu_s_short": [p.short.cpu_s for p in pairs],
            "whole_run_s": [p.long.wall_s for p in pairs],
        },
    }


def _pair(*, one_thread: bool) -> Pair:
    with TemporaryDirectory(prefix="fumehood-bench-") as folder:
        long_run, short_run = Path(folder) / "long", Path(folder) / "short"
        short = _run(_SHORT, short_run)
        long = _run(_LONG, long_run)
        return Pair(
            long=long,
            short=short,
            search_s=_search_s(long_run),
            bare_s=_bare_s(long_run),
            bare_one_thread_s=_bare_s(long_run, "1") if one_thread else None,
        )


def _bare_s(directory: Path, *threads: str) -> float:
    command = [sys.executable, "-m", "bench.bare_search", str(directory), *threads]
    return float(json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout))


def _run(candidates: int, directory: Path) -> Usage:
    """With a memory of its own, of ``_KNOWN`` insights on other kinds of data, so that nothing else is proposed."""
    lines, memory = directory.with_suffix(".jsonl"), ["--memory-db", str(directory.with_suffix(".db"))]
    lines.write_text("".join(map(to_line, insights(random.Random(0), _KNOWN, ("tabular", "tokens")))))
    used(["memory", "import", str(lines), *memory], with_memory())
    where = ["--workdir", str(directory), *memory]
    return used(["run", *_SEARCH, "--max-iterations", str(candidates), *where], with_memory())


def _search_s(directory: Path) -> float:
    entries = read(directory / "journal.jsonl")
    (prepared,) = (entry for entry in entries if entry.kind == "data_prepared")
    *_, decided = (entry for entry in entries if entry.kind == "decided")
    return (datetime.fromisoformat(decided.at) - datetime.fromisoformat(prepared.at)).total_seconds()
