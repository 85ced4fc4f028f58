"""Work without a room: a child process that has torch loaded, reads one order a line and answers with seconds.

``plain`` and ``own_trainer`` are what such a process runs. Loading torch and a first evaluation are outside the clock.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Order:
    seeds: int
    epochs: int
    threads: int = 0
    """0: as many as torch takes by itself."""


class WarmProcess:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def evaluate(self, seeds: int, epochs: int, threads: int = 0) -> float:
        """Seconds that training and predicting took."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the bare process has no pipes")
        self._process.stdin.write(json.dumps(asdict(Order(seeds, epochs, threads))) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the bare process ended; its last words are above")
        return float(json.loads(answer))


@contextmanager
def warm_process(how: Literal["plain", "own_trainer"], folder: Path) -> Iterator[WarmProcess]:
    """A process of ``bench.HOW`` that reads the arrays in ``folder``, warm."""
    command = [sys.executable, "-m", f"bench.{how}", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        worker = WarmProcess(process)
        worker.evaluate(seeds=1, epochs=1)
        yield worker
        process.communicate()


def serve(prepare: Callable[[Order], Callable[[], None]]) -> None:
    """Answer orders until standard input ends: ``prepare`` is outside the clock, what it returns is timed."""
    for line in sys.stdin:
        work = prepare(Order(**json.loads(line)))
        began = time.perf_counter()
        work()
        print(json.dumps(time.perf_counter() - began), flush=True)
