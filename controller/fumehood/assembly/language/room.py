"""What a candidate finds in its train room, as far as whoever writes it should know."""

from dataclasses import dataclass
from math import inf
from typing import Literal

from fumehood.policy import RoomLimits
from fumehood.records import RunSettings


@dataclass(frozen=True)
class TrainRoom:
    memory: int
    """Bytes, for all seeds together."""
    cpus: float
    """At most."""
    wall_s: float
    """For all seeds together."""
    device: Literal["cpu", "cuda"]
    seeds: int

    @classmethod
    def of(cls, settings: RunSettings, limits: RoomLimits) -> "TrainRoom":
        return cls(
            memory=int(limits.memory),
            cpus=limits.cpus,
            wall_s=min(limits.wall_s, settings.timeout_s or inf),
            device=settings.device,
            seeds=settings.num_seeds,
        )

    def lines(self) -> list[str]:
        where = "one GPU (CUDA)" if self.device == "cuda" else f"CPU only, at most {self.cpus:g} cores"
        return [
            f"{where}; {self.memory / 2**30:.3g} GiB of memory; {self.wall_s:g} s of wall time for building and "
            f"training; {self.seeds} seeds share that.",
        ]
