"""How long a memory takes to answer and to store, on SQLite, warm: ``python -m bench.memory.speed``.

Insights are of the kinds and lengths that runs leave: results and failures of many data sets. Every question is another
one; what is measured is what research calls, a whole context of what helps and of what failed.
"""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench.memory.made import data, insights
from fumehood.memory.context import ManualMemoryContextManager
from fumehood.memory.store import MemoryStore
from fumehood.records import Phase

SIZES = (200, 10_000)
ASKED = 200
STORED = 100
IMPORTS = 7
_WORDS = ("classify", "digits", "wine", "tables", "accuracy", "dropout", "width", "depth", "learning", "rate", "loss")


def measure(sizes: tuple[int, ...] = SIZES, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """``retrieve_ms`` and ``store_ms``: medians by the number of insights; ``retrieve_p95_ms``, ``first_ms``.

    ``import_s``: of the package, in a fresh process, less what Python itself takes.
    """
    found: dict[str, dict[str, float]] = {"retrieve_ms": {}, "retrieve_p95_ms": {}, "first_ms": {}, "store_ms": {}}
    for size in sizes:
        say(f"a memory of {size:,} insights")
        with TemporaryDirectory(prefix="fumehood-bench-") as folder:
            for name, value in _of_size(size, Path(folder) / "memory.db").items():
                found[name][str(size)] = value
    return {**found, "import_s": _import_s()}


def _of_size(size: int, file: Path) -> dict[str, float]:
    draw = random.Random(0)
    with MemoryStore.open(str(file)) as store:
        store.add(insights(draw, size))
    with ManualMemoryContextManager(str(file)) as memory:
        first = _ms(lambda: _ask(memory, draw))
        asked = sorted(_ms(lambda: _ask(memory, draw)) for _ in range(ASKED))
    with MemoryStore.open(str(file)) as store:
        store.add(insights(draw, 1))
        stored = [_ms(lambda: store.add(insights(draw, 1))) for _ in range(STORED)]
    return {
        "retrieve_ms": median(asked),
        "retrieve_p95_ms": asked[int(0.95 * ASKED)],
        "first_ms": first,
        "store_ms": median(stored),
    }


def _ask(memory: ManualMemoryContextManager, draw: random.Random) -> None:
    goal, phase = " ".join(draw.choices(_WORDS, k=8)), draw.choice(list(Phase))
    found = memory.get_smart_research_context(goal, phase.value, data=data(draw))
    if not found["insights"]:
        raise RuntimeError("nothing was found, and that is quicker")


def _import_s() -> float:
    bare, whole = (
        median(_ms(lambda code=code: subprocess.run([sys.executable, "-c", code], check=True)) for _ in range(IMPORTS))
        for code in ("pass", "import fumehood.memory.remembering, fumehood.memory.store, memori")
    )
    return (whole - bare) / 1000


def _ms(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    print(json.dumps(measure(say=lambda words: print(words, file=sys.stderr)), indent=2))
