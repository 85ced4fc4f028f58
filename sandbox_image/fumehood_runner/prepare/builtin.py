"""The real data sets that ship inside scikit-learn, as features and targets; nothing is fetched.

``Images`` hold pixels as the set has them, tables hold raw measurements (diabetes unscaled). Classes are sorted by
name, so an index may differ from scikit-learn's own (breast_cancer: benign is 0).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import datasets

from fumehood_runner.prepare.cells import NumberCells, Table
from fumehood_runner.prepare.images import Images
from fumehood_runner.prepare.refusals import Refused, nearest_first, shown
from fumehood_runner.prepare.target import Target
from fumehood_shared.messages import RefusalKind, Task

Features = Table | Images


def load(name: str) -> tuple[Features, Target]:
    """The set called ``name``, all rows in scikit-learn's order."""
    if name not in _SETS:
        names = ", ".join(nearest_first(name, _SETS))
        raise Refused(RefusalKind.NOT_READABLE, f"There is no built-in data set {shown(name)}. There are: {names}.")
    return _SETS[name]()


def _digits() -> tuple[Features, Target]:
    bunch = datasets.load_digits()
    return Images(bunch.images[:, None].astype(np.float32)), _classes("digit", bunch)


def _classification(loader: Callable[[], Any], target: str) -> tuple[Features, Target]:
    bunch = loader()
    return _table(bunch), _classes(target, bunch)


def _diabetes() -> tuple[Features, Target]:
    bunch = datasets.load_diabetes(scaled=False)
    return _table(bunch), Target("disease_progression", Task.REGRESSION, bunch.target.astype(np.float64))


def _table(bunch: Any) -> Table:
    values = np.asarray(bunch.data, dtype=np.float64)
    columns = (
        NumberCells(str(name), column.copy()) for name, column in zip(bunch.feature_names, values.T, strict=True)
    )
    return Table(tuple(columns), len(values))


def _classes(name: str, bunch: Any) -> Target:
    names = [str(n) for n in bunch.target_names]
    ordered = sorted(names)
    index = np.array([ordered.index(n) for n in names], dtype=np.int64)
    return Target(name, Task.CLASSIFICATION, index[bunch.target], tuple(ordered))


_SETS: dict[str, Callable[[], tuple[Features, Target]]] = {
    "digits": _digits,
    "breast_cancer": lambda: _classification(datasets.load_breast_cancer, "diagnosis"),
    "wine": lambda: _classification(datasets.load_wine, "cultivar"),
    "iris": lambda: _classification(datasets.load_iris, "species"),
    "diabetes": _diabetes,
}
