"""Without rooms, and without our trainer: the training script that anybody would write, one seed after another.

    python -m bench.plain FOLDER

The model is built from the same source as in the rooms. Nothing here is ours: a loop over batches, AdamW, torch's own
choice of threads and algorithms.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor, nn

from bench import task
from bench.warm_process import Order, serve
from fumehood_shared import paths

_THREADS = torch.get_num_threads()


def main(folder: Path) -> None:
    images, labels, unseen = (_tensor(folder, n) for n in ("train_inputs", "train_targets", "validation_inputs"))

    def prepare(order: Order) -> Callable[[], None]:
        torch.set_num_threads(order.threads or _THREADS)
        return lambda: _evaluate(order, images, labels, unseen)

    serve(prepare)


def _evaluate(order: Order, images: Tensor, labels: Tensor, unseen: Tensor) -> None:
    for seed in range(order.seeds):
        torch.manual_seed(seed)
        candidate = ModuleType("candidate")
        exec(task.SOURCE, candidate.__dict__)
        model = candidate.build_model(task.SHAPE, task.CLASSES)
        _train(model, images, labels, order.epochs, candidate.RECIPE)
        predictions = _predict(model, unseen, candidate.RECIPE["batch_size"])
        if not torch.isfinite(predictions).all():
            raise RuntimeError("the plain evaluation gave no numbers")


def _train(model: nn.Module, images: Tensor, labels: Tensor, epochs: int, recipe: dict[str, int | float]) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe["lr"])
    model.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(int(recipe["batch_size"])):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
            loss.backward()
            optimizer.step()


def _predict(model: nn.Module, images: Tensor, batch_size: int) -> Tensor:
    model.eval()
    with torch.inference_mode():
        return torch.cat([model(batch) for batch in images.split(batch_size)])


def _tensor(folder: Path, name: str) -> Tensor:
    spec = task.specs()[name]
    return torch.from_numpy(np.fromfile(folder / paths.array_file(name), spec.dtype).reshape(spec.shape))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
