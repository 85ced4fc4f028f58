"""Fitting baselines while something else goes on: a process beside the run, and a thread that listens to it.

Always holds: when the block is left, neither is there any more. A baseline that does not end in its time is reported as
such; its process is ended, and another one goes on with those that follow.
"""

import os
import select
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pydantic import ValidationError

from fumehood.baselines.models import models
from fumehood.baselines.wire import SPLITS, Line, Order
from fumehood.records import Dataset
from fumehood_shared import paths

EACH_S: Final = 60.0
"""Wall time of one baseline; the first one's includes loading scikit-learn."""
GRACE_S: Final = 30.0
"""How long a search that is over waits for what is not done yet, at most."""
MEMORY_BYTES: Final = 8 * 2**30
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")


@dataclass(frozen=True)
class Fitted:
    """What became of one baseline; ``failure`` is empty where its predictions are there."""

    name: str
    label: str
    failure: str
    fit_s: float
    """Wall time at low priority, loading and predicting included."""


class Fitting:
    """The baselines of ``dataset``, whose arrays lie in ``folder``, fitted within ``with``. ``into`` is made anew."""

    def __init__(self, dataset: Dataset, folder: Path, into: Path, each_s: float = EACH_S) -> None:
        self._labels = {model.name: model.label for model in models(dataset.task)}
        self._each_s, self._into = each_s, into
        self._order = Order(
            names=tuple(self._labels),
            folder=folder,
            into=into,
            arrays={name: dataset.arrays[name] for name in _readable(dataset)},
            folds=len(dataset.folds),
            task=dataset.task,
            kind=dataset.input_kind,
            outputs=dataset.num_outputs,
            vocab_size=dataset.vocab_size,
            memory_bytes=MEMORY_BYTES,
        )
        self._found: dict[str, Fitted] = {}
        self._over = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="baselines", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._guard:
            self._over.set()
            self._kill()
        self._thread.join()

    def wait(self, seconds: float = GRACE_S) -> tuple[Fitted, ...]:
        """All of them, in their order: what is done, and after ``seconds`` what is not."""
        until = time.monotonic() + seconds
        while self._thread.is_alive() and time.monotonic() < until:
            self._thread.join(timeout=0.2)  # a signal that comes just before a wait is heard when the wait is over
        slow = self._thread.is_alive()
        why = "was not done when the search ended" if slow else "the process that was to fit it could not work"
        found = dict(self._found)
        return tuple(found.get(name, Fitted(name, label, why, 0.0)) for name, label in self._labels.items())

    # -- the thread --

    def _work(self) -> None:
        try:
            shutil.rmtree(self._into, ignore_errors=True)
            self._into.mkdir(mode=0o700, parents=True)
            while (left := [name for name in self._labels if name not in self._found]) and not self._over.is_set():
                self._fit(left)
        except OSError:
            return  # no space, no process: the run goes on, and what is missing is told as that

    def _fit(self, names: Sequence[str]) -> None:
        """As many of ``names`` as one process gets done, and the one that ended it."""
        with self._guard:
            if self._over.is_set():
                return
            process = self._process = _start(self._order.model_copy(update={"names": tuple(names)}))
        try:
            for name in names:
                began = time.monotonic()
                failure, works = self._heard(process, name)
                self._found[name] = Fitted(name, self._labels[name], failure, time.monotonic() - began)
                if not works:
                    return
        finally:
            self._kill()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()

    def _heard(self, process: "subprocess.Popen[bytes]", name: str) -> tuple[str, bool]:
        """Why ``name`` was not fitted, empty where it was; and whether the process can go on with the next."""
        if process.stdout is None or not select.select([process.stdout], [], [], self._each_s)[0]:
            return f"did not end within {self._each_s:g} s", False
        try:
            said = Line.model_validate_json(process.stdout.readline())
        except ValidationError:
            return f"its process ended with exit code {process.wait()}", False
        if said.name != name:
            return "its process answered for another one", False
        return said.failure, True

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _readable(dataset: Dataset) -> Iterator[str]:
    """Names of the arrays that a baseline is fitted to, or predicts."""
    for name in ("train_inputs", "train_targets", *(f"{split}_inputs" for split in SPLITS)):
        yield from [paths.fold_array(number, name) for number in dataset.numbers] or [name]


def _start(order: Order) -> "subprocess.Popen[bytes]":
    """It imports from where this process does, and never from the current directory (``-P``)."""
    one = dict.fromkeys(_THREADS, "1")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "fumehood.baselines.child"],
        env={**os.environ, **one, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.write(order.model_dump_json().encode() + b"\n")
            process.stdin.flush()
    return process
