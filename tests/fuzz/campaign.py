"""Sends many inputs to one target in a process of its own, and stops at the first that it does not survive."""

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from fuzz import targets
from fuzz.strategies import STRATEGIES

MEMORY_BYTES = 64 * 1024 * 1024
"""More than that no input may make the reader's process grow."""
PATIENCE_S = 60.0


@dataclass
class Tally:
    """What became of the inputs of one target."""

    target: str
    inputs: int = 0
    taken: int = 0
    grown_bytes: int = 0
    finding: str = ""
    """What went wrong and where the input lies; empty if nothing did."""

    @property
    def rejected(self) -> int:
        return self.inputs - self.taken


@dataclass
class Reader:
    """``fuzz.reader`` in a process, for one target; a context manager that ends it."""

    target: str
    module: str = targets.__name__
    patience_s: float = PATIENCE_S
    _process: "subprocess.Popen[bytes]" = field(init=False)

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "fuzz.reader", f"{self.module}:{self.target}"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def read(self, raw: bytes) -> dict[str, Any]:
        """The reader's answer to one input."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(len(raw).to_bytes(8, "little") + raw)
            stdin.flush()
        except BrokenPipeError:
            return {"error": "the reader has ended"}
        if not select.select([stdout], [], [], self.patience_s)[0]:
            return {"error": f"no answer within {self.patience_s:.0f} s"}
        line = stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "the reader has ended"}
        return answer


def run(target: str, number: int, draw: int, reader: Reader | None = None) -> Tally:
    """At least ``number`` inputs for ``target``; the same ones for the same ``draw``."""
    tally = Tally(target)
    with reader or Reader(target) as process:
        while tally.inputs < number and not tally.finding:
            _send(STRATEGIES[target], number - tally.inputs, draw + tally.inputs, lambda raw: _try(process, raw, tally))
    return tally


def _send(strategy: st.SearchStrategy[bytes], number: int, draw: int, attempt: Callable[[bytes], None]) -> None:
    @seed(draw)
    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def each(raw: bytes) -> None:
        attempt(raw)

    each()


def _try(process: Reader, raw: bytes, tally: Tally) -> None:
    if tally.finding:
        return
    answer = process.read(raw)
    tally.inputs += 1
    tally.taken += bool(answer.get("taken"))
    tally.grown_bytes = max(tally.grown_bytes, answer.get("grown", 0))
    if "error" in answer or tally.grown_bytes >= MEMORY_BYTES:
        tally.finding = f"{answer.get('error', 'too much memory')}; the input is in {_stored(raw)}"


def _stored(raw: bytes) -> Path:
    with tempfile.NamedTemporaryFile(prefix="fumehood-fuzz-", delete=False) as file:
        file.write(raw)
    return Path(file.name)
