"""The same training and prediction without a room: the runner's own functions, called in one warm process.

    python -m bench.bare FOLDER

reads one JSON order a line (``{"seeds": 3, "epochs": 1, "threads": 2}``) and answers each with the seconds it took. The
seeds run one after another, as in a script without isolation. Everything around them (loading torch, the first step,
writing the request) is outside the clock.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import task
from fumehood_shared import paths


class Bare:
    """The other end of that process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def evaluate(self, seeds: int, epochs: int, threads: int) -> float:
        """Seconds that training and predicting took."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the bare process has no pipes")
        self._process.stdin.write(json.dumps({"seeds": seeds, "epochs": epochs, "threads": threads}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the bare process ended; its last words are above")
        return float(json.loads(answer)["seconds"])


@contextmanager
def bare(folder: Path) -> Iterator[Bare]:
    """A warm bare process that reads the arrays in ``folder``."""
    command = [sys.executable, "-m", "bench.bare", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        worker = Bare(process)
        worker.evaluate(len(task.SEEDS), epochs=1, threads=1)
        yield worker
        process.communicate()


def serve(folder: Path) -> None:
    """Answer orders until standard input ends."""
    from fumehood_runner.seeds import warm_up

    warm_up()
    exchange, data = folder / "bare-exchange", folder / "bare-data"
    data.mkdir()
    for name in ("inputs", "targets"):
        shutil.copyfile(folder / paths.array_file(f"train_{name}"), data / paths.array_file(name))
    for line in sys.stdin:
        order = json.loads(line)
        _lay_out(folder, exchange, order["seeds"])
        began = time.perf_counter()
        _evaluate(exchange, data, order["seeds"], order["epochs"], order["threads"])
        print(json.dumps({"seconds": time.perf_counter() - began}), flush=True)


def _lay_out(folder: Path, exchange: Path, seeds: int) -> None:
    """What the controller and the supervisor have ready when a room gets its start signal."""
    shutil.rmtree(exchange, ignore_errors=True)
    (exchange / paths.IN).mkdir(parents=True)
    (exchange / paths.IN / paths.SOURCE).write_text(task.SOURCE)
    shutil.copyfile(folder / paths.array_file("validation_inputs"), exchange / paths.IN / paths.array_file("inputs"))
    for index in range(seeds):
        (exchange / paths.OUT / paths.seed_dir(index)).mkdir(parents=True)


def _evaluate(exchange: Path, data: Path, seeds: int, epochs: int, threads: int) -> None:
    from fumehood_runner.seeds import Folders, predict_seed, train_seed
    from fumehood_shared.messages import PredictRequest, TrainRequest

    arrays, fields = task.specs(), task.job(seeds, threads=threads * seeds)
    overrides: dict[str, int | float | bool | str | list[str]] = {"epochs": epochs}
    train = TrainRequest(**fields, inputs=arrays["train_inputs"], targets=arrays["train_targets"], overrides=overrides)
    predict = PredictRequest(**fields, inputs=arrays["validation_inputs"], handed_over=tuple(range(seeds)))
    folders = Folders(exchange, data, exchange / "handover")
    for index in range(seeds):
        _check(train_seed(train, index, folders, started=time.monotonic()).failure)
    for index in range(seeds):
        _check(predict_seed(predict, index, folders, started=time.monotonic()).failure)


def _check(failure: object) -> None:
    if failure is not None:
        raise RuntimeError(f"the bare evaluation failed: {failure}")


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
