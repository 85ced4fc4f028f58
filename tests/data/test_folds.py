"""What may be asked for, and what becomes of the answers of several models."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from fumehood.data import folds, order, specs
from fumehood.errors import DataError, UsageError
from fumehood_shared.messages import Task

pytestmark = pytest.mark.unit


def test_two_to_ten_folds_can_be_asked_for_or_none():
    assert folds.count("holdout") is None
    assert [folds.count(f"kfold:{k}") for k in range(2, 11)] == list(range(2, 11))


@pytest.mark.parametrize(
    "splits", ["kfold:1", "kfold:11", "kfold:", "kfold:x", "kfold", "kfold:5 ", "kfold:-3", "kfold:٣", "five", ""]
)
def test_anything_else_is_refused_with_what_there_is(splits):
    with pytest.raises(UsageError, match="--splits is") as error:
        folds.count(splits)
    assert "kfold:K with K from 2 to 10" in error.value.hint


def test_rows_in_the_order_of_time_are_not_divided_into_folds(tmp_path):
    (tmp_path / "x.csv").write_text("x,day,y\n1,2,a\n")
    timed = specs.parse(f"csv:{tmp_path}/x.csv#target=y&time=day")
    folds.expect_possible("holdout", timed)
    with pytest.raises(DataError, match=r"kfold:3 and #time= do not go together: .* newer"):
        folds.expect_possible("kfold:3", timed)
    folds.expect_possible("kfold:3", specs.parse(f"csv:{tmp_path}/x.csv#target=y&group=day"))


def test_candidates_side_by_side_and_folds_do_not_go_together():
    folds.expect_possible("holdout", specs.parse("wine"), 4)
    with pytest.raises(UsageError, match=r"--parallel 2 do not go together: .* labels"):
        folds.expect_possible("kfold:3", specs.parse("wine"), 2)


def logits(count: int, scale: float = 3.0) -> list[np.ndarray]:
    draws = np.random.default_rng(0)
    return [(scale * draws.normal(size=(40, 3))).astype(np.float32) for _ in range(count)]


def test_classes_are_averaged_as_probabilities_whatever_constant_a_models_logits_hold():
    models = logits(4)
    mean = np.mean([softmax(one.astype(np.float64), axis=1) for one in models], axis=0)
    found = folds.averaged(models, Task.CLASSIFICATION)
    assert found.dtype == np.float32
    assert np.allclose(softmax(found.astype(np.float64), axis=1), mean, atol=1e-6)
    shifted = [one + np.float32(100 * k) for k, one in enumerate(models)]
    assert np.allclose(folds.averaged(shifted, Task.CLASSIFICATION), found, atol=1e-4)


def test_an_average_of_the_largest_logits_there_are_is_finite():
    for scale in (1e30, 5e37):
        found = folds.averaged(logits(3, scale), Task.CLASSIFICATION)
        assert np.isfinite(found).all()
        agreed = np.exp(found.max(axis=1)) * 3  # of three sure models one, two or all say the same
        assert np.allclose(agreed, agreed.round(), atol=1e-4)


def test_values_are_averaged_as_they_are():
    models = [np.full((2, 1), value, np.float32) for value in (1.0, 2.0, 6.0)]
    assert folds.averaged(models, Task.REGRESSION).tolist() == [[3.0], [3.0]]


def test_one_model_answers_as_it_does():
    (one,) = logits(1)
    assert folds.averaged([one], Task.CLASSIFICATION) is one
    assert not np.array_equal(one, log_softmax(one, axis=1))


def test_folds_answer_for_their_own_rows_and_together_for_the_tests():
    models = logits(2)
    assert np.array_equal(folds.joined("validation", models, Task.CLASSIFICATION), np.concatenate(models))
    assert folds.joined("test", models, Task.CLASSIFICATION).shape == (40, 3)


def test_no_fold_sees_rows_in_the_order_of_another_or_of_the_run():
    keys = [b"k" * 32, *(order.key_of_fold(b"k" * 32, fold) for fold in (1, 2, 10))]
    orders = [order.permutation(key, "train", 50).tolist() for key in keys]
    assert len({tuple(one) for one in orders}) == 4
    assert order.key_of_fold(b"k" * 32, 2) == keys[2]
