"""``make bench-memory``: does memory save iterations and failures? A table on standard error, JSON on standard output.

    python -m bench.memory [--tasks digits-400,rings-4] [--seeds 0,1,2] [--iterations 8]

First every task is searched once without memory, with a seed of its own, which fills the memory. Then, for every task
and seed, two searches: one without memory, one with what the first searches on all *other* tasks found out. The target
of a task is what searches without memory reach there: the median of their best scores, less one standard error. Real
rooms under a policy with little time and memory (``policy.toml``), the built-in planner, one training seed.
"""

import json
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from bench.commands import used
from bench.memory import speed
from bench.memory.summary import Pair, Search, summary, table
from bench.memory.tasks import TASKS, Task
from bench.surroundings import apart, with_memory

FIRST_SEED: Final = 1000
"""Of the searches that fill the memory; no pair has it."""
_POLICY: Final = Path(__file__).with_name("policy.toml")
_HALF_WIDTH: Final = 1.96
_USUAL: Final = ("oom", "timeout", "non_finite")
"""What limits and divergence bring; anything else is worth a look."""
_ENDS: Final = (0, 3)
"""3: where limits are tight, a search may end without a survivor."""


def main() -> int:
    asked = _arguments()
    began = time.monotonic()
    with apart(), TemporaryDirectory(prefix="fumehood-memory-") as folder:
        bench = Bench(Path(folder), asked.iterations)
        firsts = {}
        for name in asked.tasks:
            firsts[name] = bench.search(TASKS[name], FIRST_SEED, None, keep=True)
            _say(f"{name}, to fill the memory: {_shown(firsts[name])}")
        arms = []
        for seed in asked.seeds:
            for name in asked.tasks:
                namespace = bench.filled(f"{name}-{seed}", [other for other in asked.tasks if other != name])
                arms.append((name, seed, *_arms(bench, name, seed, namespace)))
                _say(f"{name}, seed {seed}: {_shown(arms[-1][2])}  with memory: {_shown(arms[-1][3])}")
        pairs = list(_paired(arms, firsts, {name: bench.standard_error(name) for name in asked.tasks}))
        for pair in sorted(pairs, key=lambda pair: pair.task):
            _say(_row(pair))
        saved = summary(pairs)
        for line in table(saved):
            _say(line)
        document = {
            "schema_version": 2,
            **saved,
            **speed.measure(say=_say),
            "iterations": asked.iterations,
            "wall_s": round(time.monotonic() - began, 1),
        }
    print(json.dumps(document, indent=2))
    return 0


class Bench:
    """Searches as a user starts them, in a folder of their own."""

    def __init__(self, folder: Path, iterations: int) -> None:
        self._folder, self._iterations = folder, iterations
        self._environment = with_memory()
        self._data: dict[str, str] = {}
        self._standard_errors: dict[str, float] = {}
        (folder / "data").mkdir()

    def search(self, task: Task, seed: int, namespace: str | None, *, keep: bool = False) -> Search:
        """``namespace``: of the memory that is looked into; None is without memory."""
        spec = self._data.get(task.name) or task.data(self._folder / "data")
        self._data[task.name] = spec
        where = self._folder / (f"first-{task.name}" if keep else "run")
        memory = (
            ["--no-memory"] if namespace is None else ["--memory-db", str(self._db), "--memory-namespace", namespace]
        )
        options = ["--planner", "search", "--num-seeds", "1", "--max-iterations", str(self._iterations)]
        options += ["--seed", str(seed), "--policy", str(_POLICY), "--workdir", str(where), *task.options, *memory]
        command = ["run", "--json", "--goal", task.goal, "--data", spec, *options]
        told = json.loads(used(command, self._environment, _ENDS).stdout)
        if not keep:
            _remove(where)
        for failure in (one["failure"] for one in told["iterations"]):
            if failure and failure["kind"] not in _USUAL:
                _say(f"{task.name}, seed {seed}: {failure['kind']}: {failure['message']}")
        return _search(told)

    def standard_error(self, name: str) -> float:
        """Of the best score of the first search."""
        registry = json.loads((self._folder / f"first-{name}" / "experiments" / "registry.json").read_text())
        scores = [one["score"] for one in registry["run"]["iterations"] if one["score"]]
        metrics = [score["metrics"][score["metric"]] for score in scores]
        best = max(metrics, key=lambda metric: metric["mean"])
        interval = best["interval"]
        return (interval["high"] - interval["low"]) / 2 / _HALF_WIDTH if interval else 0.0

    def filled(self, name: str, others: Sequence[str]) -> str:
        """A namespace for one search, which adds to it: it holds what the first searches on ``others`` found out."""
        for other in others:
            lines = self._distilled(other)
            command = ["memory", "import", str(lines), "--memory-db", str(self._db), "--memory-namespace", name]
            used(command, self._environment)
        return name

    def _distilled(self, name: str) -> Path:
        """The insights of a search that was made without memory, as a file to import."""
        from fumehood.journal import fold, lines
        from fumehood.memory.distill import distill
        from fumehood.memory.rows import to_line

        file = self._folder / f"first-{name}" / "insights.jsonl"
        if not file.exists():
            run = fold(lines(self._folder / f"first-{name}" / "journal.jsonl")).run
            file.write_text("".join(map(to_line, distill(run))))
        return file

    @property
    def _db(self) -> Path:
        return self._folder / "memory.db"


def _arms(bench: Bench, name: str, seed: int, namespace: str) -> tuple[Search, Search]:
    """Without memory and with that of ``namespace``; which comes first changes from seed to seed."""
    arms = [None, namespace] if seed % 2 == 0 else [namespace, None]
    found = {arm: bench.search(TASKS[name], seed, arm) for arm in arms}
    return found[None], found[namespace]


def _paired(
    arms: Sequence[tuple[str, int, Search, Search]], firsts: Mapping[str, Search], errors: Mapping[str, float]
) -> Iterator[Pair]:
    for name, seed, without, remembering in arms:
        plain = [firsts[name].best, *(other[2].best for other in arms if other[0] == name)]
        known = frozenset(kind for other, first in firsts.items() if other != name for kind in first.failures if kind)
        yield Pair(name, seed, float(np.nanmedian(plain)) - errors[name], without, remembering, known)


def _search(told: Mapping[str, Any]) -> Search:
    iterations = told["iterations"]
    return Search(
        scores=tuple(one["score"]["mean"] if one["score"] and not one["failure"] else None for one in iterations),
        failures=tuple(one["failure"]["kind"] if one["failure"] else "" for one in iterations),
    )


def _row(pair: Pair) -> str:
    before, after = pair.without, pair.with_memory
    iterations = f"{before.reaches(pair.target):>2} -> {after.reaches(pair.target):>2}"
    failures = f"{before.repeated(pair.known)} -> {after.repeated(pair.known)}"
    best = f"{before.best:.3f} -> {after.best:.3f}"
    where = f"{pair.task:>16}  seed {pair.seed:>2}  target {pair.target:.3f}"
    return f"{where}  iterations {iterations}  failures {failures}  best {best}"


def _shown(search: Search) -> str:
    return " ".join(kind or f"{score:.3f}" for score, kind in zip(search.scores, search.failures, strict=True))


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _arguments() -> Namespace:
    parser = ArgumentParser(prog="bench.memory", description=__doc__)
    parser.add_argument("--tasks", type=_names, default=list(TASKS))
    parser.add_argument("--seeds", type=lambda text: [int(one) for one in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--iterations", type=int, default=8)
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in TASKS]:
        raise ValueError(f"no such task: {', '.join(unknown)}")
    return names


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
