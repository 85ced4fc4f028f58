"""What the runner's way of training costs and gains on one GPU, without rooms: ``python -m bench.gpu``.

Needs the folders ``tests``, ``sandbox_image`` and ``shared`` on ``PYTHONPATH``, torch with CUDA, pydantic and
safetensors, and neither an engine nor the controller. Prints one JSON document; progress goes to standard error. The
README beside this file says what the keys mean. This process never touches CUDA, as a room's first does not.
"""

import gc
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

from bench import task
from fumehood_shared import paths
from fumehood_shared.messages import PredictRequest, SeedSpec, TrainRequest, WorkerReport

ROUNDS: Final = 7
ALONE_ROUNDS: Final = 3
"""Of what begins with CUDA six times."""
LONG_S: Final = 20.0
"""What the longer candidate is to take bare, three seeds one after another."""
MANY: Final = 8
MANY_EPOCHS: Final = 60
MANY_ROUNDS: Final = 3

Reports = list[WorkerReport]


def main() -> int:
    if sys.argv[1:2] == ["bare"]:
        _serve(Path(sys.argv[2]))
        return 0
    print(json.dumps({"schema_version": 1, **measure()}, indent=2))
    return 0


def measure() -> dict[str, Any]:
    with TemporaryDirectory(prefix="fumehood-gpu-") as scratch:
        folder = Path(scratch)
        task.write_files(folder)
        runner = Runner(folder)
        with _bare(folder) as bare:
            return {"machine": bare({"describe": True}), **_measure(runner, bare)}


def _measure(runner: "Runner", bare: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    plain: list[float] = []
    found: dict[str, list[dict[str, Any]]] = {"together": [], "alone": []}
    for number in range(ROUNDS):
        _say(f"evaluations of three seeds, round {number + 1} of {ROUNDS}")
        plain.append(bare({"seeds": 3, "epochs": 1})["seconds"])
        for way, taken in found.items():
            if way == "together" or number < ALONE_ROUNDS:
                taken.append(runner.evaluate(3, 1, way))
    epochs = _epochs_for(LONG_S, bare)
    _say(f"a longer candidate, {epochs} epochs")
    long_bare = bare({"seeds": 3, "epochs": epochs})["seconds"]
    long = {way: runner.evaluate(3, epochs, way) for way in found}
    return {
        "short": {
            "bare_s": median(plain),
            **{way: _summary(taken, median(plain)) for way, taken in found.items()},
            "all": {"bare_s": plain, **found},
        },
        "long": {"epochs": epochs, "bare_s": long_bare, **{w: _summary([t], long_bare) for w, t in long.items()}},
        "seeds": _many(runner),
    }


def _summary(taken: Sequence[dict[str, Any]], bare_s: float) -> dict[str, Any]:
    whole = median(one["whole_s"] for one in taken)
    return {
        "whole_s": whole,
        "ratio": whole / bare_s,
        "train_s": median(one["train_s"] for one in taken),
        "predict_s": median(one["predict_s"] for one in taken),
        "steps_s": median(one["steps_s"] for one in taken),
        "ran": sorted({how for one in taken for how in one["ran"]}),
        "alone_because": sorted({why for one in taken for why in one["alone_because"]}),
    }


def _many(runner: "Runner") -> dict[str, Any]:
    """One seed against ``MANY``, of a candidate that trains for a while."""
    counts: dict[str, tuple[int, str]] = {
        "one": (1, "alone"),
        "many_together": (MANY, "together"),
        "many_alone": (MANY, "alone"),
    }
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in counts}
    for number in range(MANY_ROUNDS):
        _say(f"one seed and {MANY}, round {number + 1} of {MANY_ROUNDS}")
        for name, (count, way) in counts.items():
            if name != "many_alone" or number == 0:
                found[name].append(runner.evaluate(count, MANY_EPOCHS, way))
    one = median(taken["whole_s"] for taken in found["one"])
    return {"many": MANY, "epochs": MANY_EPOCHS, **{name: _summary(taken, one) for name, taken in found.items()}}


def _epochs_for(seconds: float, bare: Callable[[dict[str, Any]], Any]) -> int:
    few = 20
    return max(1, round(seconds / (bare({"seeds": 3, "epochs": few})["seconds"] / few)))


class Runner:
    """The runner's own functions in forked processes, as a room's supervisor calls them, but for its pipes."""

    def __init__(self, folder: Path) -> None:
        from fumehood_runner.seeds import Folders, warm_up_on_gpu

        warm_up_on_gpu()
        import fumehood_runner.together  # noqa: F401

        gc.freeze()
        self._folders = Folders(folder / "exchange", folder / "data", folder / "handover")
        self._reports = folder / "reports"
        self._folders.data.mkdir()
        for name in ("inputs", "targets"):
            shutil.copyfile(folder / paths.array_file(f"train_{name}"), self._folders.data / paths.array_file(name))
        self._unseen = folder / paths.array_file("validation_inputs")

    def evaluate(self, count: int, epochs: int, way: str) -> dict[str, Any]:
        """Train and predict with ``count`` seeds; seconds, and what their reports say."""
        self._lay_out(count)
        train, predict = _requests(count, epochs)
        began = time.perf_counter()
        trained = self._train(train, way)
        between = time.perf_counter()
        predicted = self._predict(predict, way)
        ended = time.perf_counter()
        if failed := [report.failure for report in (*trained, *predicted) if report.failure]:
            raise RuntimeError(f"a seed failed: {failed[0]}")
        alone = {report.index: report.train_s for report in trained if report.seeds_ran == "alone"}
        batched = max((report.train_s for report in trained if report.seeds_ran == "together"), default=0.0)
        return {
            "whole_s": ended - began,
            "train_s": between - began,
            "predict_s": ended - between,
            "steps_s": sum(alone.values()) + batched,
            "ran": sorted({report.seeds_ran for report in trained}),
            "alone_because": sorted({r.alone_because for r in (*trained, *predicted) if r.alone_because}),
        }

    def _train(self, request: TrainRequest, way: str) -> Reports:
        from fumehood_runner.seeds import train_seed
        from fumehood_runner.together import train_together

        started = time.monotonic()
        return self._run(
            way,
            lambda: train_together(request, self._folders, started=started),
            lambda k: train_seed(request, k, self._folders, started=started),
            len(request.seeds),
        )

    def _predict(self, request: PredictRequest, way: str) -> Reports:
        from fumehood_runner.seeds import predict_seed
        from fumehood_runner.together import predict_together

        started = time.monotonic()
        return self._run(
            way,
            lambda: predict_together(request, self._folders, started=started),
            lambda k: predict_seed(request, k, self._folders, started=started),
            len(request.seeds),
        )

    def _run(
        self, way: str, together: Callable[[], Reports], alone: Callable[[int], WorkerReport], count: int
    ) -> Reports:
        """What ``crew`` does on a GPU: all seeds in one process first, then those that it left, one after another."""
        reports = self._forked(together) if way == "together" else []
        done = {report.index: report for report in reports if report.seeds_ran == "together"}
        why = {report.index: report.alone_because for report in reports}
        for index in range(count):
            if index not in done:
                (report,) = self._forked(lambda index=index: [alone(index)])  # type: ignore[misc]
                done[index] = report.model_copy(update={"alone_because": why.get(index, "")})
        return [done[index] for index in range(count)]

    def _forked(self, job: Callable[[], Reports]) -> Reports:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                self._reports.write_text("\n".join(report.model_dump_json() for report in job()))
                code = 0
            finally:
                os._exit(code)
        if (status := os.waitpid(pid, 0)[1]) != 0:
            raise RuntimeError(f"a worker ended with status {status}")
        return [WorkerReport.model_validate_json(line) for line in self._reports.read_text().splitlines()]

    def _lay_out(self, count: int) -> None:
        exchange = self._folders.exchange
        for folder in (exchange, self._folders.handover):
            shutil.rmtree(folder, ignore_errors=True)
        (exchange / paths.IN).mkdir(parents=True)
        (exchange / paths.IN / paths.SOURCE).write_text(task.SOURCE)
        shutil.copyfile(self._unseen, exchange / paths.IN / paths.array_file("inputs"))
        for index in range(count):
            (exchange / paths.OUT / paths.seed_dir(index)).mkdir(parents=True)


def _requests(count: int, epochs: int) -> tuple[TrainRequest, PredictRequest]:
    arrays = task.specs()
    fields = task.job(1, threads=os.cpu_count() or 1) | {
        "seeds": tuple(SeedSpec(seed=k, order=k) for k in range(count)),
        "device": "cuda",
    }
    overrides: dict[str, int | float | bool | str | list[str]] = {"epochs": epochs}
    train = TrainRequest(**fields, inputs=arrays["train_inputs"], targets=arrays["train_targets"], overrides=overrides)
    return train, PredictRequest(**fields, inputs=arrays["validation_inputs"], handed_over=tuple(range(count)))


# ---- bare: a loop as anybody writes it, in one warm process ------------------------------------------------------


@contextmanager
def _bare(folder: Path) -> Iterator[Callable[[dict[str, Any]], Any]]:
    """Answers orders such as ``{"seeds": 3, "epochs": 1}`` with the seconds that they took."""
    command = [sys.executable, "-m", "bench.gpu", "bare", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the bare process has no pipes")
        stdin, stdout = process.stdin, process.stdout

        def ask(order: dict[str, Any]) -> Any:
            stdin.write(json.dumps(order) + "\n")
            stdin.flush()
            if not (answer := stdout.readline()):
                raise RuntimeError("the bare process ended; its last words are above")
            return json.loads(answer)

        ask({"seeds": 1, "epochs": 1})
        yield ask
        stdin.close()


def _serve(folder: Path) -> None:
    import torch

    rows = {name: _loaded(folder, name) for name in task.specs()}
    for line in sys.stdin:
        order = json.loads(line)
        if "describe" in order:
            told = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, "python": sys.version.split()[0]}
            print(json.dumps({**told, "cores": os.cpu_count()}), flush=True)
            continue
        began = time.perf_counter()
        for seed in range(order["seeds"]):
            _train_and_predict(rows, seed, order["epochs"])
        print(json.dumps({"seconds": time.perf_counter() - began}), flush=True)


def _loaded(folder: Path, name: str) -> Any:
    import numpy as np
    import torch

    spec = task.specs()[name]
    kind = "<f4" if spec.dtype == "float32" else "<i8"
    return torch.from_numpy(np.fromfile(folder / paths.array_file(name), kind).reshape(spec.shape))


def _train_and_predict(rows: dict[str, Any], seed: int, epochs: int) -> None:
    import torch
    from torch.nn import functional

    torch.manual_seed(seed)
    names: dict[str, Any] = {}
    exec(task.SOURCE, names)
    model = names["build_model"](task.SHAPE, task.CLASSES).cuda()
    inputs, targets = rows["train_inputs"].cuda(), rows["train_targets"].cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(epochs):
        for index in torch.randperm(len(targets), device="cuda").split(64):
            with torch.autocast("cuda", torch.bfloat16):
                loss = functional.cross_entropy(model(inputs[index]), targets[index])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        float(loss)
    with torch.inference_mode():
        model.eval()(rows["validation_inputs"].cuda()).cpu()


def _say(line: str) -> None:
    print(f"gpu: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
