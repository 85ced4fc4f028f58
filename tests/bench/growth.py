"""Does a long run get slower? Research with everything real but the rooms, which answer at once.

    python -m bench.growth ITERATIONS

works through a run in a temporary folder and prints what it took as one line of JSON; a process of its own for every
length, so that its peak memory is its own.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from fakes.rooms import CLASSES, ROWS, Rooms, begin
from fumehood import recorder
from fumehood.assembly.author import TemplateAuthor
from fumehood.experience import NoExperience
from fumehood.planning.search import SearchPlanner
from fumehood.progress import SilentProgress
from fumehood.research import Research
from fumehood.search import Evaluations

LENGTHS = (10, 100, 1000)
_LAST = 10


def measure() -> dict[str, Any]:
    """Iterations -> milliseconds of the last ten iterations and of their proposals (medians), memory, reopening."""
    found = {}
    for iterations in LENGTHS:
        done = subprocess.run(
            [sys.executable, "-m", "bench.growth", str(iterations)], stdout=subprocess.PIPE, text=True, check=True
        )
        found[str(iterations)] = json.loads(done.stdout)
    return found


def grow(iterations: int) -> dict[str, float]:
    """One run; wall times in milliseconds, memory in MB of 10**6 bytes."""
    targets = np.random.default_rng(0).permutation(np.arange(ROWS) % CLASSES).astype("<i8")
    with TemporaryDirectory(prefix="fumehood-bench-") as folder:
        os.environ["XDG_STATE_HOME"] = folder
        directory = begin(Path(folder) / "run", targets, target=None, max_iterations=iterations)
        steps, proposals = [], []
        rooms = Rooms(targets)
        with recorder.reopen(directory) as record:
            research = Research(record, None, SearchPlanner(seed=0), TemplateAuthor(), NoExperience(), SilentProgress())  # type: ignore[arg-type]
            with Evaluations(1, rooms.abandon) as evaluations:
                for _ in range(iterations):
                    began = time.perf_counter()
                    research.search.propose()
                    proposals.append(time.perf_counter() - began)
                    research.search.step(rooms, evaluations)
                    steps.append(time.perf_counter() - began)
        began = time.perf_counter()
        with recorder.reopen(directory):
            reopening = time.perf_counter() - began
    return {
        "iteration_ms": 1000 * median(steps[-_LAST:]),
        "proposal_ms": 1000 * median(proposals[-_LAST:]),
        "peak_rss_mb": peak_mb(),
        "reopen_ms": 1000 * reopening,
    }


def peak_mb() -> float:
    """Of this program. ``getrusage`` would tell that of the process that started it, where that was larger."""
    (line,) = (row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    print(json.dumps(grow(int(sys.argv[1]))))
