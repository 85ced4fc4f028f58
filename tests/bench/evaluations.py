"""Items 1 and 3: one small evaluation in warm rooms, bare, and with one seed, taking turns on the same machine."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench import task
from bench.isolated import Isolated, Timing, isolated
from bench.warm_process import WarmProcess, warm_process
from fumehood import policy
from fumehood.policy import Policy

Say = Callable[[str], None]


def measure(rounds: int, say: Say) -> dict[str, Any]:
    """Ratios of medians under ``standard``, with seeds in rooms of their own beside it."""
    standard = policy.load("standard")
    found = summarise(**_rounds(standard, rounds, say))
    apart = _rounds(standard.model_copy(update={"isolate_seeds": True}), rounds, say)
    return found | {"eval_ratio_isolate_seeds": summarise(**apart)["eval_ratio"]}


def eval_ratio(policies: Policy, rounds: int, say: Say) -> float:
    """Item 1 under another policy."""
    return float(summarise(**_rounds(policies, rounds, say))["eval_ratio"])


def summarise(
    three: list[Timing], one: list[Timing], cold: list[Timing], plain: list[float], own: dict[int, list[float]]
) -> dict[str, Any]:
    """Medians and their ratios; the single timings go along, so that the spread can be seen.

    ``own``: threads -> seconds of our own trainer, bare. Rooms are compared with the faster number of threads.
    """
    warm_s, plain_s = median(t.whole_s for t in three), median(plain)
    own_s = min(median(seconds) for seconds in own.values())
    return {
        "eval_ratio": warm_s / plain_s,
        "eval_ratio_against_own_trainer": warm_s / own_s,
        "eval_ratio_cold": median(t.whole_s for t in cold) / plain_s,
        "seeds_ratio": warm_s / median(t.whole_s for t in one),
        "room_ready_s": median(t.train_ready_s for t in cold),
        "evaluations": {
            "warm_three_seeds": [asdict(t) for t in three],
            "warm_one_seed": [asdict(t) for t in one],
            "cold_three_seeds": [asdict(t) for t in cold],
            "plain_three_seeds_s": plain,
            "own_trainer_three_seeds_s": {f"{threads} threads": seconds for threads, seconds in own.items()},
        },
    }


def _rounds(policies: Policy, rounds: int, say: Say) -> dict[str, Any]:
    with TemporaryDirectory(prefix="fumehood-bench-") as scratch:
        folder = Path(scratch)
        dataset = task.write_arrays(folder)
        with (
            isolated(folder, dataset, policies) as rooms,
            warm_process("plain", folder) as plain,
            warm_process("own_trainer", folder) as own,
        ):
            return _turns(rooms, plain, own, rounds, say)


def _turns(rooms: Isolated, plain: WarmProcess, own: WarmProcess, rounds: int, say: Say) -> dict[str, Any]:
    three, one, cold, without = list[Timing](), list[Timing](), list[Timing](), list[float]()
    ours: dict[int, list[float]] = {threads: [] for threads in thread_counts(rooms)}
    for number in range(rounds):
        say(f"evaluations under {rooms.host.policy.name}, round {number + 1} of {rounds}")
        three.append(rooms.evaluate(seeds=3, epochs=1, warm=True))
        without.append(plain.evaluate(seeds=3, epochs=1))
        one.append(rooms.evaluate(seeds=1, epochs=1, warm=True))
        cold.append(rooms.evaluate(seeds=3, epochs=1, warm=False))
        for threads, seconds in ours.items():
            seconds.append(own.evaluate(seeds=3, epochs=1, threads=threads))
    return {"three": three, "one": one, "cold": cold, "plain": without, "own": ours}


def thread_counts(rooms: Isolated) -> list[int]:
    """One thread and one for every core: which is faster depends on the machine and on who else uses it."""
    return sorted({1, rooms.host.cpus})
