"""The baselines: plain scikit-learn with its own defaults, and nothing tuned by hand.

The exceptions are needed for the defaults to make sense: enough iterations for the logistic regression, and the ridge
regression's penalty chosen by its own leave-one-out formula on the training rows (Golub, Heath and Wahba, 1979).
Imports scikit-learn only when a model is made. Everything that draws does so from seed 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fumehood_shared.messages import InputKind, Task

SVM_ROWS: Final = 10_000
"""A support vector machine's time grows with the square of the rows and more."""
DENSE_VALUES: Final = 50_000_000
"""Counts of words as a dense table, which histogram gradient boosting takes: at most so many, 400 MB."""

Make = Callable[[int], Any]
"""An unfitted scikit-learn estimator for a number of outputs."""


@dataclass(frozen=True)
class Shape:
    """What decides which baselines suit a data set."""

    task: Task
    kind: InputKind
    rows: int
    features: int
    outputs: int


@dataclass(frozen=True)
class Model:
    name: str
    label: str
    make: Make
    unfit: Callable[[Shape], str] = lambda _: ""
    """Why this data set is not for it; empty where it is."""
    dense: bool = False
    """Cannot use sparse counts."""
    margins: bool = False
    """It says which class, and how clearly, but gives no probabilities."""


def models(task: Task) -> tuple[Model, ...]:
    """In the order in which they are fitted, the quick ones first."""
    return _CLASSIFIERS if task is Task.CLASSIFICATION else _REGRESSORS


def _majority(_: int) -> Any:
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="prior")


def _mean(_: int) -> Any:
    from sklearn.dummy import DummyRegressor

    return DummyRegressor(strategy="mean")


def _logistic(_: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=2_000)


def _ridge(_: int) -> Any:
    from sklearn.linear_model import RidgeCV

    return RidgeCV(alphas=tuple(10.0**power for power in range(-3, 5)))


def _svc(_: int) -> Any:
    """Its answer is the class of the largest margin, which is what its predictions can say here."""
    from sklearn.svm import SVC

    return SVC(break_ties=True)


def _svr(outputs: int) -> Any:
    """Targets are standardised for it: its width of tolerance has their unit."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    return _each(TransformedTargetRegressor(SVR(), transformer=StandardScaler()), outputs)


def _forest_classifier(_: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(random_state=0)


def _forest_regressor(_: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(random_state=0)


def _boosting_classifier(_: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(random_state=0)


def _boosting_regressor(outputs: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return _each(HistGradientBoostingRegressor(random_state=0), outputs)


def _each(regressor: Any, outputs: int) -> Any:
    """One for every target where there are several."""
    from sklearn.multioutput import MultiOutputRegressor

    return regressor if outputs == 1 else MultiOutputRegressor(regressor)


def _too_many_rows(shape: Shape) -> str:
    return f"not tried on more than {SVM_ROWS:,} training rows" if shape.rows > SVM_ROWS else ""


def _too_wide(shape: Shape) -> str:
    wide = shape.kind is InputKind.TOKENS and shape.rows * shape.features > DENSE_VALUES
    return f"not tried on more than {DENSE_VALUES:,} counts of words" if wide else ""


_CLASSIFIERS: Final = (
    Model("majority", "majority class", _majority),
    Model("logistic", "logistic regression", _logistic),
    Model("svm", "support vector machine (RBF)", _svc, _too_many_rows, margins=True),
    Model("forest", "random forest", _forest_classifier),
    Model("boosting", "histogram gradient boosting", _boosting_classifier, _too_wide, dense=True),
)
_REGRESSORS: Final = (
    Model("mean", "mean of the targets", _mean),
    Model("ridge", "ridge regression", _ridge),
    Model("svm", "support vector machine (RBF)", _svr, _too_many_rows),
    Model("forest", "random forest", _forest_regressor),
    Model("boosting", "histogram gradient boosting", _boosting_regressor, _too_wide, dense=True),
)
