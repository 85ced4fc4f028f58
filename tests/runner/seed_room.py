"""A room's folders on disk, without a room: what the supervisor would have laid out for one seed."""

from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fumehood_runner.seeds import Folders, predict_seed, train_seed
from fumehood_shared.messages import (
    ArraySpec,
    InputKind,
    PredictRequest,
    SeedSpec,
    Task,
    TensorScale,
    TrainRequest,
    WorkerReport,
)

LINEAR = """
import torch
from torch import nn

def build_model(input_shape, num_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(torch.Size(input_shape).numel(), num_outputs))
"""


@dataclass(frozen=True)
class Data:
    """Rows of a small problem that can be learned."""

    inputs: NDArray[Any]
    targets: NDArray[Any]
    task: Task = Task.CLASSIFICATION
    kind: InputKind = InputKind.TABULAR
    num_outputs: int = 2
    vocab_size: int | None = None

    def job(self, seed: int, order: int, **changes: Any) -> dict[str, Any]:
        """The fields that train and predict requests share."""
        return {
            "task": self.task,
            "input_kind": self.kind,
            "input_shape": self.inputs.shape[1:],
            "num_outputs": self.num_outputs,
            "vocab_size": self.vocab_size,
            "target_scale": self.scale(),
            "seeds": (SeedSpec(seed=seed, order=order),),
            "threads": 1,
            "deadline_s": 100.0,
            **changes,
        }

    def scale(self) -> TensorScale | None:
        if self.task is not Task.REGRESSION:
            return None
        mean, std = self.targets.mean(0), self.targets.std(0)
        return TensorScale(mean=tuple(map(float, mean)), std=tuple(map(float, std)))


def blobs(rows: int = 96, features: int = 6) -> Data:
    """Two classes on either side of a plane."""
    generator = np.random.default_rng(1)
    inputs = generator.normal(size=(rows, features)).astype("<f4")
    return Data(inputs, (inputs.sum(1) > 0).astype("<i8"))


def images(rows: int = 48, side: int = 8, channels: int = 1) -> Data:
    """Two classes: the upper or the lower half is brighter."""
    generator = np.random.default_rng(2)
    targets = generator.integers(0, 2, rows).astype("<i8")
    inputs = generator.normal(size=(rows, channels, side, side)).astype("<f4")
    inputs[targets == 1, :, : side // 2] += 1
    return Data(inputs, targets, kind=InputKind.IMAGE)


def line(rows: int = 96, columns: int = 1) -> Data:
    """Regression far from mean 0 and standard deviation 1."""
    inputs = np.random.default_rng(3).normal(size=(rows, 3)).astype("<f4")
    targets = (500 + 40 * inputs[:, :columns]).astype("<f4")
    return Data(inputs, targets, Task.REGRESSION, num_outputs=columns)


def tokens(rows: int = 32) -> Data:
    inputs = np.random.default_rng(4).integers(1, 11, size=(rows, 5)).astype("<i8")
    return Data(inputs, (inputs[:, 0] > 5).astype("<i8"), kind=InputKind.TOKENS, vocab_size=11)


class Room:
    """One train room and one predict room of a candidate, as folders under ``root``."""

    def __init__(self, root: Path, data: Data, source: str = LINEAR) -> None:
        self.data = data
        self.train_exchange, self.predict_exchange, self.volume = root / "train", root / "predict", root / "data"
        self.handover = root / "handover"
        for folder in (self.train_exchange / "in", self.predict_exchange / "in", self.volume):
            folder.mkdir(parents=True)
        self.write_source(source)
        data.inputs.tofile(self.volume / "inputs.bin")
        data.targets.tofile(self.volume / "targets.bin")
        data.inputs.tofile(self.predict_exchange / "in" / "inputs.bin")

    def write_source(self, source: str | bytes) -> None:
        content = source if isinstance(source, bytes) else source.encode()
        for exchange in (self.train_exchange, self.predict_exchange):
            (exchange / "in" / "model.py").write_bytes(content)

    @property
    def folders(self) -> Folders:
        """Of the train room."""
        return Folders(self.train_exchange, self.volume, self.handover)

    @property
    def weights(self) -> Path:
        return self.handover / "seed-0" / "weights.safetensors"

    def train(self, seed: int = 0, order: int = 0, job: dict[str, Any] | None = None, **overrides: Any) -> WorkerReport:
        request = TrainRequest(
            **self.data.job(seed, order, **(job or {})),
            inputs=spec(self.data.inputs),
            targets=spec(self.data.targets),
            overrides={"epochs": 2, **overrides},
        )
        return train_seed(request, 0, self.folders, started=monotonic())

    def predict(self, seed: int = 0, batch_size: int = 20, **changes: Any) -> WorkerReport:
        job = self.data.job(seed, 0, **changes)
        request = PredictRequest(**job, inputs=spec(self.data.inputs), batch_size=batch_size, handed_over=(0,))
        return predict_seed(request, 0, replace(self.folders, exchange=self.predict_exchange), started=monotonic())

    def predictions(self) -> torch.Tensor:
        path = self.predict_exchange / "out" / "seed-0" / "predictions.bin"
        return torch.from_numpy(np.fromfile(path, "<f4").reshape(-1, self.data.num_outputs))

    def accuracy(self) -> float:
        return float((self.predictions().argmax(1).numpy() == self.data.targets).mean())


def spec(array: NDArray[Any]) -> ArraySpec:
    return ArraySpec(dtype="float32" if array.dtype == np.dtype("<f4") else "int64", shape=array.shape)
