"""Where attacks are tried: an engine, a policy, a small data set with its secret labels, and nothing of the user's.

The policy is the one asked for, made tighter, so that what an attack can use up is little. Everything lies in a
temporary folder and is gone afterwards.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

from fumehood import preparation
from fumehood.executors.local import LocalExecutor
from fumehood.laboratory import Laboratory, warm_rooms
from fumehood.policy import Policy, RoomLimits
from fumehood.progress import SilentProgress
from fumehood.records import Design
from fumehood.sandbox.host import Host, open_host

_MIB: Final = 1024 * 1024
_SMALL: Final[dict[str, Any]] = {
    "memory": 2048 * _MIB,
    "exchange": 128 * _MIB,
    "tmp": 32 * _MIB,
    "shm": 16 * _MIB,
    "inodes": 2048,
    "file": 96 * _MIB,
    "output": 128 * _MIB,
    "cpus": 2.0,
}


@dataclass(frozen=True)
class Stage:
    """One engine under one policy, with one data set whose labels are known here and nowhere else."""

    host: Host
    laboratory: Laboratory
    executor: LocalExecutor
    folder: Path
    """Private, and gone with the stage."""

    @property
    def policy(self) -> Policy:
        return self.host.policy


@contextmanager
def open_stage(policy: Policy, data: str = "iris", metric: str = "accuracy", *, parallel: int = 1) -> Iterator[Stage]:
    """A stage with the data set of the specification ``data``, and rooms for ``parallel`` candidates at a time.

    Raises EngineError where the engine cannot do what ``policy`` asks.
    """
    with (
        TemporaryDirectory(prefix="fumehood-attacks-") as name,
        open_host(tightened(policy, **_SMALL), run_id="attacks") as host,
    ):
        folder = Path(name)
        dataset = preparation.prepare(host, folder / "sealed", data, split_seed=0).dataset
        design = Design(metric=metric, seeds=(0,), confidence_level=0.95, device="cpu")
        laboratory = Laboratory(
            host=host,
            sealed=folder / "sealed",
            scratch=folder / "scratch",
            dataset=dataset,
            design=design,
            progress=SilentProgress(),
        )
        with warm_rooms(host, parallel) as pool, laboratory.executor(pool) as executor:
            rooms_here = cast(LocalExecutor, executor)
            yield Stage(host=host, laboratory=laboratory, executor=rooms_here, folder=folder)


def tightened(policy: Policy, **limits: Any) -> Policy:
    """``policy`` with train and predict rooms that may use no more than ``limits``, and nowhere more than before."""
    rooms = {role: _tighter(policy.limits(role), limits) for role in ("train", "predict")}
    return policy.model_copy(update=rooms)


def _tighter(before: RoomLimits, limits: dict[str, Any]) -> RoomLimits:
    return before.model_copy(update={name: min(getattr(before, name), value) for name, value in limits.items()})
