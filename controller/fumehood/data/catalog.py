"""The data sets that can be named without a file: static facts for people, checked against scikit-learn by a test."""

from typing import Final

from fumehood.records import Record
from fumehood_shared.messages import InputKind, Task


class Entry(Record):
    """One data set, as ``fumehood data list`` and ``fumehood data describe`` show it."""

    name: str
    task: Task
    input_kind: InputKind
    input_shape: tuple[int, ...]
    """One row, as the data set has it; encoding may drop a constant column."""
    rows: int
    target: str
    classes: tuple[str, ...] = ()
    """In the order of their indices; empty for regression."""
    summary: str
    citation: str


BUILTIN: Final[tuple[Entry, ...]] = (
    Entry(
        name="digits",
        task=Task.CLASSIFICATION,
        input_kind=InputKind.IMAGE,
        input_shape=(1, 8, 8),
        rows=1797,
        target="digit",
        classes=("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
        summary="Handwritten digits, scanned and reduced to 8 x 8 pixels of 17 grey levels.",
        citation="E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning "
        "Repository (its test part)",
    ),
    Entry(
        name="breast_cancer",
        task=Task.CLASSIFICATION,
        input_kind=InputKind.TABULAR,
        input_shape=(30,),
        rows=569,
        target="diagnosis",
        classes=("benign", "malignant"),
        summary="Shape and texture of cell nuclei in images of breast tissue, with the diagnosis.",
        citation="W. Wolberg, O. Mangasarian, N. Street and W. Street (1993), Breast Cancer Wisconsin (Diagnostic), "
        "UCI Machine Learning Repository",
    ),
    Entry(
        name="wine",
        task=Task.CLASSIFICATION,
        input_kind=InputKind.TABULAR,
        input_shape=(13,),
        rows=178,
        target="cultivar",
        classes=("class_0", "class_1", "class_2"),
        summary="Chemical analyses of Italian wines from three cultivars of one region.",
        citation="S. Aeberhard and M. Forina (1992), Wine, UCI Machine Learning Repository",
    ),
    Entry(
        name="iris",
        task=Task.CLASSIFICATION,
        input_kind=InputKind.TABULAR,
        input_shape=(4,),
        rows=150,
        target="species",
        classes=("setosa", "versicolor", "virginica"),
        summary="Sepals and petals of three species of iris, measured in centimetres.",
        citation="R. A. Fisher (1936), The Use of Multiple Measurements in Taxonomic Problems, Annals of Eugenics 7, "
        "doi:10.1111/j.1469-1809.1936.tb02137.x",
    ),
    Entry(
        name="diabetes",
        task=Task.REGRESSION,
        input_kind=InputKind.TABULAR,
        input_shape=(10,),
        rows=442,
        target="disease_progression",
        summary="Age, sex, body mass, blood pressure and six serum values of patients, with the progression of their "
        "diabetes a year later.",
        citation="B. Efron, T. Hastie, I. Johnstone and R. Tibshirani (2004), Least Angle Regression, Annals of "
        "Statistics 32, doi:10.1214/009053604000000067",
    ),
)


def names() -> tuple[str, ...]:
    return tuple(entry.name for entry in BUILTIN)


def find(name: str) -> Entry | None:
    """The entry called exactly ``name``."""
    return next((entry for entry in BUILTIN if entry.name == name), None)
