"""Item 2: a candidate that trains for about a minute, in rooms and bare with the same trainer.

One seed: several would be trained beside each other in rooms and one after another bare, which would hide what
isolation costs.
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench import task
from bench.evaluations import thread_counts
from bench.isolated import isolated
from bench.warm_process import warm_process
from fumehood import policy

_LONG_S = 60.0
"""What it takes bare."""
_TRIED_EPOCHS = 20


def measure(repeats: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Median wall time from request to score, rooms made and destroyed in it, over the median of the same bare."""
    with TemporaryDirectory(prefix="fumehood-bench-") as scratch:
        folder = Path(scratch)
        dataset = task.write_arrays(folder)
        with isolated(folder, dataset, policy.load("standard")) as rooms, warm_process("own_trainer", folder) as own:
            tried = {n: own.evaluate(seeds=1, epochs=_TRIED_EPOCHS, threads=n) for n in thread_counts(rooms)}
            threads = min(tried, key=tried.__getitem__)
            epochs = max(1, round(_LONG_S / (tried[threads] / _TRIED_EPOCHS)))
            inside, bare = [], []
            for number in range(repeats):
                say(f"a candidate of a minute, {number + 1} of {repeats}")
                inside.append(rooms.evaluate(seeds=1, epochs=epochs, warm=False))
                bare.append(own.evaluate(seeds=1, epochs=epochs, threads=threads))
    return {
        "overhead_60s": median(t.whole_s for t in inside) / median(bare),
        "minute": {
            "epochs": epochs,
            "threads_bare": threads,
            "bare_s": bare,
            "rooms": [asdict(t) for t in inside],
        },
    }
