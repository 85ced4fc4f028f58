"""What a candidate finds in its train room, as far as whoever writes it should know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, Literal

from fumehood.policy import RoomLimits
from fumehood.records import RunSettings


@dataclass(frozen=True)
class TrainRoom:
    memory: int
    """Bytes, for all seeds together."""
    cpus: float | None
    """Cores; None where nobody knows how many the machine has."""
    wall_s: float
    """For all seeds together."""
    device: Literal["cpu", "cuda"]
    seeds: int
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Recipe fields that the user set; they win over every candidate's own."""

    @classmethod
    def of(cls, settings: RunSettings, limits: RoomLimits, cpus: float | None = None) -> "TrainRoom":
        """``cpus``: of the engine's machine, where known; a policy may allow more than there are."""
        return cls(
            memory=int(limits.memory),
            cpus=None if cpus is None else min(limits.cpus, cpus),
            wall_s=min(limits.wall_s, settings.timeout_s or inf),
            device=settings.device,
            seeds=settings.num_seeds,
            overrides=settings.overrides,
        )

    def lines(self) -> list[str]:
        cores = "" if self.cpus is None else f", {self.cpus:g} cores"
        where = "One GPU (CUDA)" if self.device == "cuda" else f"CPU only{cores}"
        fixed = ", ".join(f"{name} = {value}" for name, value in self.overrides.items())
        return [
            f"{where}; {self.memory / 2**30:.3g} GiB of memory; {self.wall_s:g} s of wall time for building and "
            f"training; {self.seeds} seeds share that.",
            *([f"Set by the user for every recipe: {fixed}."] if fixed else []),
        ]
