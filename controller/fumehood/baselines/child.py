"""The process that fits baselines: an order on standard input, a line on standard output for each one that is done.

``python -P -m fumehood.baselines.child``. It runs at the lowest priority on one thread, and ends when its standard
input does, so that it never outlives the run. Arrays are numbers of the run's own making; nothing is unpickled.
"""

import errno
import os
import resource
import sys
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fumehood.baselines.models import Model, Shape, models
from fumehood.baselines.wire import SPLITS, Line, Order, Split, predictions_file
from fumehood.data import folds
from fumehood.text import plain
from fumehood_shared import paths
from fumehood_shared.messages import ArraySpec, InputKind, Task

_LOWEST = 19
_TINY = float(np.finfo(np.float32).tiny)


def main() -> None:
    os.nice(_LOWEST)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # where the machine's memory ends, this goes, not the run
    order = Order.model_validate_json(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    resource.setrlimit(resource.RLIMIT_AS, (order.memory_bytes, order.memory_bytes))
    warnings.simplefilter("ignore")  # a fit that did not converge is judged by its score, like any other
    known = {model.name: model for model in models(order.task)}
    for name in order.names:
        line = Line(name=name, failure=_failure(order, known[name]))
        sys.stdout.write(line.model_dump_json() + "\n")
        sys.stdout.flush()


def _end_with_the_run() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


def _failure(order: Order, model: Model) -> str:
    """Fit and predict; why that was not possible, or nothing."""
    try:
        fit(order, model)
    except Exception as error:  # noqa: BLE001 -- whatever it is, the run goes on without this baseline
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return f"needed more than {order.memory_bytes / 2**30:.0f} GiB of memory"
        return plain(f"{type(error).__name__}: {error}", 300)
    return ""


def fit(order: Order, model: Model) -> None:
    """Fit ``model`` and write its predictions for every split. Raises what scikit-learn raises.

    With folds it is fitted once a fold, and what these fits predict is joined as for a candidate's seed.
    """
    numbers = range(1, order.folds + 1) if order.folds else (None,)
    found = [_predicted(order, model, number) for number in numbers]
    for split in SPLITS:
        file = predictions_file(order.into, model.name, split)
        file.parent.mkdir(parents=True)
        folds.joined(split, [one[split] for one in found], order.task).tofile(file)


def _predicted(order: Order, model: Model, fold: int | None) -> dict[Split, NDArray[np.float32]]:
    """What ``model`` predicts for every split once it is fitted, on a fold's training rows where there are folds."""
    inputs = {
        split: _features(order, _name(f"{split}_inputs", fold), dense=model.dense) for split in ("train", *SPLITS)
    }
    targets = np.asarray(_array(order, _name("train_targets", fold)))
    rows, features = inputs["train"].shape
    shape = Shape(order.task, order.kind, rows, features, order.outputs)
    if why := model.unfit(shape):
        raise Unsuited(why)
    fitted = model.make(order.outputs)
    fitted.fit(inputs["train"], targets if order.task is Task.CLASSIFICATION or order.outputs > 1 else targets.ravel())
    predicted: dict[Split, NDArray[np.float32]] = {}
    for split in SPLITS:
        found = _outputs(fitted, inputs[split], order).astype("<f4")
        if found.shape != (inputs[split].shape[0], order.outputs) or not np.isfinite(found).all():
            raise ValueError(f"predictions of shape {found.shape} are not finite numbers for every row")
        predicted[split] = found
    return predicted


def _name(array: str, fold: int | None) -> str:
    return array if fold is None else paths.fold_array(fold, array)


class Unsuited(ValueError):
    """This data set is not for that baseline."""


def _array(order: Order, name: str) -> NDArray[Any]:
    spec: ArraySpec = order.arrays[name]
    kind = "<f4" if spec.dtype == "float32" else "<i8"
    return np.memmap(order.folder / paths.array_file(name), kind, "r", shape=tuple(spec.shape))


def _features(order: Order, name: str, *, dense: bool) -> Any:
    """One row of features an example: images flattened, tokens counted (a sparse table, unless ``dense``)."""
    rows = _array(order, name)
    if order.kind is not InputKind.TOKENS:
        return rows.reshape(len(rows), -1)
    from scipy.sparse import csr_matrix

    words = order.vocab_size or int(_array(order, "train_inputs").max()) + 1
    tokens = np.asarray(rows).reshape(len(rows), -1)
    place, column = np.nonzero((tokens > 0) & (tokens < words))  # 0 is padding
    counts = csr_matrix((np.ones(len(place), np.float32), (place, tokens[place, column])), (len(rows), words))
    return counts.toarray() if dense else counts


def _outputs(fitted: Any, inputs: Any, order: Order) -> NDArray[Any]:
    """Rows x outputs: logits (a classifier's log probabilities or margins; classes it has not met last), or values."""
    if order.task is Task.REGRESSION:
        return np.asarray(fitted.predict(inputs)).reshape(inputs.shape[0], -1)
    if hasattr(fitted, "predict_proba"):
        known = np.log(np.maximum(fitted.predict_proba(inputs), _TINY))
    else:
        known = fitted.decision_function(inputs)
        known = known if known.ndim == 2 else np.stack([-known, known], axis=1) / 2
    found = np.full((inputs.shape[0], order.outputs), min(np.log(_TINY), float(known.min()) - 1))
    found[:, fitted.classes_] = known
    return found


if __name__ == "__main__":
    main()
