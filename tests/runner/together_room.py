"""Several seeds of one candidate, trained together and each alone, from folders on disk and without a GPU or a room."""

from pathlib import Path
from time import monotonic
from typing import Any

import torch
from safetensors.torch import load_file

from fumehood_runner.seeds import train_seed
from fumehood_runner.together import train_together
from fumehood_shared.messages import SeedSpec, TrainRequest, WorkerReport
from runner.seed_room import Data, Room, spec

SEEDS = 3


class SharedRoom:
    """A train room of ``SEEDS`` seeds; ``together`` and ``alone`` leave their weights in folders of their own."""

    def __init__(self, root: Path, data: Data, source: str, *, device: str = "cpu", **overrides: Any) -> None:
        self.together_in, self.alone_in = Room(root / "together", data, source), Room(root / "alone", data, source)
        seeds = tuple(SeedSpec(seed=10 + k, order=20 + k) for k in range(SEEDS))
        job: dict[str, Any] = data.job(0, 0) | {"seeds": seeds, "threads": SEEDS, "device": device}
        arrays = {"inputs": spec(data.inputs), "targets": spec(data.targets)}
        self.request = TrainRequest(**job, **arrays, overrides={"epochs": 3, **overrides})

    def together(self) -> list[WorkerReport]:
        room = self.together_in
        return train_together(self.request, room.folders, started=monotonic())

    def alone(self) -> list[WorkerReport]:
        room = self.alone_in
        return [train_seed(self.request, k, room.folders, started=monotonic()) for k in range(SEEDS)]

    def weights(self, index: int) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Together and alone."""
        places = (room.handover / f"seed-{index}/weights.safetensors" for room in (self.together_in, self.alone_in))
        together, alone = (load_file(path) for path in places)
        return together, alone

    def left(self) -> list[Path]:
        """Every file that training together left."""
        return sorted(path for path in self.together_in.handover.rglob("*") if path.is_file())
