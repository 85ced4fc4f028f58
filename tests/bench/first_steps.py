"""Item 4: how long a candidate waits for its first training step, in a room that was warm and in one that was not."""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench import task
from bench.isolated import isolated
from fumehood.policy import Policy


def measure(policies: Policy, times: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Medians, in milliseconds."""
    with TemporaryDirectory(prefix="fumehood-bench-") as scratch:
        folder = Path(scratch)
        dataset = task.write_arrays(folder)
        with isolated(folder, dataset, policies) as rooms:
            say(f"first steps under {policies.name}, {times} warm and {times} cold")
            warm = [1000 * rooms.first_step_s(warm=True) for _ in range(times)]
            cold = [1000 * rooms.first_step_s(warm=False) for _ in range(times)]
    return {
        "warm_first_step_ms": median(warm),
        "cold_first_step_ms": median(cold),
        "first_steps": {"warm_ms": warm, "cold_ms": cold},
    }
