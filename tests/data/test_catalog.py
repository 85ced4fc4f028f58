"""The catalogue says of the built-in sets what scikit-learn has."""

import numpy as np
import pytest
from sklearn import datasets

from fumehood.data import catalog, specs
from fumehood_shared.messages import InputKind, Task

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("entry", catalog.BUILTIN, ids=lambda e: e.name)
def test_an_entry_agrees_with_scikit_learn(entry):
    bunch = getattr(datasets, f"load_{entry.name}")()
    assert len(bunch.data) == entry.rows
    assert int(np.prod(entry.input_shape)) == bunch.data.shape[1]
    if entry.input_kind is InputKind.IMAGE:
        assert bunch.images.shape[1:] == entry.input_shape[1:]
    if entry.task is Task.CLASSIFICATION:
        assert sorted(str(n) for n in bunch.target_names) == list(entry.classes)
    else:
        assert entry.classes == ()
        assert len(np.unique(bunch.target)) > 20


def test_names_are_found_exactly_and_only_so():
    assert catalog.find("iris").rows == 150
    assert catalog.find("Iris") is None


def test_every_name_stays_in_a_suggestion():
    assert sorted(specs.nearest_first("dibaetes", catalog.names())) == sorted(catalog.names())
    assert specs.nearest_first("dibaetes", catalog.names())[0] == "diabetes"
