"""The tasks of ``make bench-memory``: real data, parts of them, and synthetic families, each known by its name.

Synthetic data are drawn from a fixed seed, so that a name always means the same rows. Nothing here is part of the
program: no run ever uses data like these unless a file with them is named.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

Rows = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Task:
    """``data``: writes what it needs into a folder and returns the data specification."""

    name: str
    goal: str
    data: Callable[[Path], str]
    options: tuple[str, ...] = ()


def _real(name: str, goal: str, subset: int | None = None) -> Task:
    part = () if subset is None else ("--subset", str(subset))
    return Task(f"{name}-{subset}" if subset else name, goal, lambda _folder: name, part)


def _made(name: str, goal: str, rows: Callable[[np.random.Generator], Rows]) -> Task:
    def written(folder: Path) -> str:
        inputs, targets = rows(np.random.default_rng(sum(name.encode())))
        np.savez(folder / f"{name}.npz", inputs=inputs.astype("<f4"), targets=targets)
        return f"npz:{folder / f'{name}.npz'}"

    return Task(name, goal, written)


def checkerboard(random: np.random.Generator, fields: int, rows: int) -> Rows:
    """Two classes on a board of ``fields`` by ``fields``."""
    points = random.uniform(0, fields, (rows, 2))
    return points, np.floor(points).astype("<i8").sum(axis=1) % 2


def rings(random: np.random.Generator, count: int, rows: int) -> Rows:
    """``count`` rings around one centre, one class each."""
    ring, angle = random.integers(0, count, rows), random.uniform(0, 2 * np.pi, rows)
    radius = 1 + ring + random.normal(0, 0.15, rows)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), ring.astype("<i8")


def friedman(random: np.random.Generator, rows: int) -> Rows:
    """The first of Friedman's functions (1991): ten columns, of which five matter."""
    x = random.uniform(size=(rows, 10))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return x, (y + random.normal(size=rows)).astype("<f8")


def spirals(random: np.random.Generator, arms: int, rows: int) -> Rows:
    """``arms`` spirals around one centre, a turn and a quarter each, one class an arm."""
    arm, along = random.integers(0, arms, rows), np.sqrt(random.uniform(0.05, 1, rows))
    angle = 2.5 * np.pi * along + 2 * np.pi * arm / arms
    points = 4 * along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return points + random.normal(0, 0.1, points.shape), arm.astype("<i8")


def waves(random: np.random.Generator, columns: int, rows: int) -> Rows:
    """A sum of sines of ``columns`` numbers, each of another frequency, with little noise."""
    x = random.uniform(-1, 1, (rows, columns))
    y = np.sin(x * (4 + 2 * np.arange(columns))).sum(axis=1)
    return x, (y + random.normal(0, 0.1, rows)).astype("<f8")


def gratings(random: np.random.Generator, count: int, rows: int) -> Rows:
    """Images of 12 x 12 with stripes in one of ``count`` directions, a class each, of any phase, in noise."""
    kind, phase = random.integers(0, count, rows), random.uniform(0, 2 * np.pi, rows)
    down, across = np.mgrid[0:12, 0:12]
    angle = (np.pi * kind / count)[:, None, None]
    along = across * np.cos(angle) + down * np.sin(angle)
    images = np.sin(0.9 * along + phase[:, None, None]) + random.normal(0, 1.2, (rows, 12, 12))
    return images[:, None], kind.astype("<i8")


_CLASSIFY: Final = "Classify the rows as accurately as possible"
_IMAGES: Final = "Classify the images as accurately as possible"
_PREDICT: Final = "Predict the target, with the highest R2"

TASKS: Final[Mapping[str, Task]] = {
    task.name: task
    for task in (
        _real("digits", "Classify handwritten digits as accurately as possible", 400),
        _real("breast_cancer", "Classify tumours as accurately as possible"),
        _real("diabetes", "Predict the progression of diabetes, with the highest R2"),
        _made("checkerboard-3", _CLASSIFY, partial(checkerboard, fields=3, rows=900)),
        _made("checkerboard-4", _CLASSIFY, partial(checkerboard, fields=4, rows=1600)),
        _made("rings-4", _CLASSIFY, partial(rings, count=4, rows=600)),
        _made("rings-6", _CLASSIFY, partial(rings, count=6, rows=900)),
        _made("friedman-400", _PREDICT, partial(friedman, rows=400)),
        _made("friedman-900", _PREDICT, partial(friedman, rows=900)),
        _made("spirals-2", _CLASSIFY, partial(spirals, arms=2, rows=700)),
        _made("spirals-3", _CLASSIFY, partial(spirals, arms=3, rows=900)),
        _made("gratings-4", _IMAGES, partial(gratings, count=4, rows=400)),
        _made("gratings-8", _IMAGES, partial(gratings, count=8, rows=900)),
        _made("waves-2", _PREDICT, partial(waves, columns=2, rows=800)),
        _made("waves-3", _PREDICT, partial(waves, columns=3, rows=1200)),
    )
}
