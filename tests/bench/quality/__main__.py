"""``make bench-quality``: is the search at least as good as plain scikit-learn? One JSON document on standard output.

    python -m bench.quality [--splits 0,1,2,3,4] [--datasets digits,wine] [--iterations 20] [--seeds 3] [--bare]

For every data set and split seed one search from nothing, without memory, its seed that of the split; the winner's mean
on the sealed test against the best scikit-learn model, fitted on the same training rows and chosen on the same
validation rows. ``--bare`` searches in this process without rooms (see ``bare``), for tuning. Progress goes to stderr.
"""

import json
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bench.commands import used
from bench.quality.summary import Pair, summary
from bench.surroundings import apart

GOALS: Final[Mapping[str, str]] = {
    "digits": "Classify handwritten digits as accurately as possible",
    "breast_cancer": "Classify tumours as accurately as possible",
    "wine": "Classify wines as accurately as possible",
    "diabetes": "Predict the progression of diabetes, with the highest R2",
}
REFERENCE: Final[Mapping[str, Mapping[str, float]]] = {
    "digits": {"svm": 0.9906, "mlp": 0.978},
    "breast_cancer": {"logistic": 0.9825},
    "wine": {"svm": 1.0, "forest": 0.994},
    "diabetes": {"ridge": 0.419},
}
"""Scikit-learn on plain 80/20 splits, so with a third more training rows than here; mean of five seeds."""


@dataclass(frozen=True)
class Asked:
    iterations: int
    seeds: int


def main() -> int:
    asked = _arguments()
    design = Asked(asked.iterations, asked.seeds)
    search: Callable[[str, int, Asked], Pair] = _bare if asked.bare else _in_rooms
    began, datasets = time.monotonic(), {}
    for name in asked.datasets:
        pairs = []
        for split in asked.splits:
            with apart():
                pairs.append(search(name, split, design))
            _say(f"{name}, split {split}: {pairs[-1]}")
        datasets[name] = summary(pairs) | {"reference": dict(REFERENCE[name])}
    document = {
        "schema_version": 1,
        "datasets": datasets,
        "splits": asked.splits,
        **asdict(design),
        "how": "bare: one process, no rooms" if asked.bare else "fumehood run, in rooms",
        "wall_s": round(time.monotonic() - began, 1),
    }
    print(json.dumps(document, indent=2))
    return 0


def _in_rooms(name: str, split: int, asked: Asked) -> Pair:
    """What a user types. Raises RuntimeError where it fails, or leaves no result."""
    with TemporaryDirectory(prefix="fumehood-quality-") as scratch:
        numbers = {"max-iterations": asked.iterations, "num-seeds": asked.seeds, "seed": split, "split-seed": split}
        options = [f"--{option}={value}" for option, value in numbers.items()]
        where = ["--data", name, "--planner", "search", "--workdir", str(Path(scratch) / "run")]
        usage = used(["run", "--json", "--goal", GOALS[name], *where, *options])
        told: dict[str, Any] = json.loads(usage.stdout)
    found, beside = told["final"], told["baselines"]
    if found is None or beside is None or beside["test"] is None:
        raise RuntimeError(f"the run on {name}, split {split}, has no result to compare")
    return Pair(found["mean"], beside["best"], beside["test"]["mean"], round(usage.wall_s, 1))


def _bare(name: str, split: int, asked: Asked) -> Pair:
    from bench.quality.bare import BareSearch, best_baseline  # torch
    from bench.quality.prepared import prepared

    with TemporaryDirectory(prefix="fumehood-quality-") as folder:
        scratch = Path(folder)
        data = prepared(name, split, scratch / "prepare")
        baseline, reached = best_baseline(data, scratch / "baselines")
        found = BareSearch(data, scratch / "search", asked.seeds, split).run(asked.iterations)
        return Pair(found.test, baseline, reached, round(found.seconds, 1))


def _arguments() -> Namespace:
    parser = ArgumentParser(prog="bench.quality", description=__doc__)
    parser.add_argument("--splits", type=_numbers, default=[5, 6, 7, 8, 9])
    parser.add_argument("--datasets", type=_names, default=list(GOALS))
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--bare", action="store_true")
    return parser.parse_args()


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _names(text: str) -> Sequence[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in GOALS]:
        raise ValueError(f"no such data set: {', '.join(unknown)}")
    return names


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
