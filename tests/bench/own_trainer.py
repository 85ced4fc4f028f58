"""Without rooms, with our trainer: the runner's own functions, called in one warm process, one seed after another.

python -m bench.own_trainer FOLDER
"""

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from bench import task
from bench.warm_process import Order, serve
from fumehood_runner.seeds import Folders, predict_seed, train_seed, warm_up
from fumehood_shared import paths
from fumehood_shared.messages import PredictRequest, TrainRequest

_THREADS = torch.get_num_threads()


def main(folder: Path) -> None:
    folders = Folders(folder / "bare-exchange", folder / "bare-data", folder / "bare-handover")
    folders.data.mkdir()
    for name in ("inputs", "targets"):
        shutil.copyfile(folder / paths.array_file(f"train_{name}"), folders.data / paths.array_file(name))
    warm_up()

    def prepare(order: Order) -> Callable[[], None]:
        _lay_out(folder, folders.exchange, order.seeds)
        return lambda: _evaluate(folders, order)

    serve(prepare)


def _lay_out(folder: Path, exchange: Path, seeds: int) -> None:
    """What the controller and the supervisor have ready when a room gets its start signal."""
    shutil.rmtree(exchange, ignore_errors=True)
    (exchange / paths.IN).mkdir(parents=True)
    (exchange / paths.IN / paths.SOURCE).write_text(task.SOURCE)
    shutil.copyfile(folder / paths.array_file("validation_inputs"), exchange / paths.IN / paths.array_file("inputs"))
    for index in range(seeds):
        (exchange / paths.OUT / paths.seed_dir(index)).mkdir(parents=True)


def _evaluate(folders: Folders, order: Order) -> None:
    """The runner divides the threads of a request among its seeds, so a request for one at a time asks for more."""
    arrays, fields = task.specs(), task.job(order.seeds, threads=(order.threads or _THREADS) * order.seeds)
    overrides: dict[str, int | float | bool | str | list[str]] = {"epochs": order.epochs}
    train = TrainRequest(**fields, inputs=arrays["train_inputs"], targets=arrays["train_targets"], overrides=overrides)
    predict = PredictRequest(**fields, inputs=arrays["validation_inputs"], handed_over=tuple(range(order.seeds)))
    for index in range(order.seeds):
        check(train_seed(train, index, folders, started=time.monotonic()).failure)
    for index in range(order.seeds):
        check(predict_seed(predict, index, folders, started=time.monotonic()).failure)


def check(failure: object) -> None:
    if failure is not None:
        raise RuntimeError(f"the bare evaluation failed: {failure}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
