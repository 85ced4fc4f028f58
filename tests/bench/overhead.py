"""What a room costs: the same evaluation in rooms and bare, taking turns, so that both see the same machine."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench import task
from bench.bare import Bare, bare
from bench.isolated import Isolated, Timing, isolated

LONG_S = 60.0
"""Training time that the long candidate aims at, without isolation."""

Say = Callable[[str], None]


def measure(rounds: int, *, long: bool, say: Say) -> dict[str, Any]:
    """Seconds per evaluation and the ratios, from ``rounds`` rounds of three seeds in rooms, bare, and one seed."""
    with TemporaryDirectory(prefix="fumehood-bench-") as scratch:
        folder = Path(scratch)
        dataset = task.write_arrays(folder)
        with isolated(folder, dataset) as rooms, bare(folder) as plain:
            return {**_short(rooms, plain, rounds, say), **(_long(rooms, plain, say) if long else {})}


def _short(rooms: Isolated, plain: Bare, rounds: int, say: Say) -> dict[str, Any]:
    three: list[Timing] = []
    one: list[Timing] = []
    unprotected: dict[int, list[float]] = {threads: [] for threads in _thread_counts(rooms)}
    for number in range(rounds):
        say(f"evaluations, round {number + 1} of {rounds}")
        three.append(rooms.evaluate(seeds=3, epochs=1))
        for threads, seconds in unprotected.items():
            seconds.append(plain.evaluate(seeds=3, epochs=1, threads=threads))
        one.append(rooms.evaluate(seeds=1, epochs=1))
    return summarise(three, one, unprotected)


def _thread_counts(rooms: Isolated) -> set[int]:
    """One thread and one for every core: which is faster depends on the machine and on who else uses it."""
    return {1, rooms.host.cpus}


def summarise(three: list[Timing], one: list[Timing], unprotected: dict[int, list[float]]) -> dict[str, Any]:
    """Medians and their ratios; the single timings go along, so that the spread can be seen.

    ``unprotected``: threads -> seconds of the bare evaluations. Rooms are compared with the faster number of threads.
    """
    whole, inside = median(t.whole_s for t in three), median(t.inside_s for t in three)
    bare_s = min(median(seconds) for seconds in unprotected.values())
    return {
        "seconds_per_evaluation": whole,
        "room_ready_s": median(t.train_ready_s for t in three),
        "container_overhead": {
            "warm": inside / bare_s,
            "whole": whole / bare_s,
            "rooms_inside_s": inside,
            "bare_s": bare_s,
        },
        "seeds_ratio": {
            "warm": inside / median(t.inside_s for t in one),
            "whole": whole / median(t.whole_s for t in one),
        },
        "evaluations": {
            "three_seeds": [asdict(t) for t in three],
            "one_seed": [asdict(t) for t in one],
            "bare_three_seeds_s": {f"{threads} threads": seconds for threads, seconds in unprotected.items()},
        },
    }


def _long(rooms: Isolated, plain: Bare, say: Say) -> dict[str, Any]:
    """One candidate of about a minute, once in rooms and once bare."""
    few, counts = 10, _thread_counts(rooms)
    tried = {threads: plain.evaluate(seeds=3, epochs=few, threads=threads) for threads in counts}
    threads = min(counts, key=tried.__getitem__)
    epochs = max(1, round(LONG_S / (tried[threads] / few)))
    say(f"the long candidate, {epochs} epochs")
    timing, unprotected = rooms.evaluate(seeds=3, epochs=epochs), plain.evaluate(3, epochs, threads)
    return {
        "container_overhead_long": {
            "warm": timing.inside_s / unprotected,
            "whole": timing.whole_s / unprotected,
            "epochs": epochs,
            "bare_s": unprotected,
            **asdict(timing),
        }
    }
