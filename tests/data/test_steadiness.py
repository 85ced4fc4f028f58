"""When predictions are no answers to rows: two answers to one row, and answers that a breath of wind changes."""

import numpy as np
import pytest

from fumehood.data import steadiness
from fumehood.data.steadiness import LEVEL, PERMITTED
from fumehood.records import SecondLook
from fumehood_shared.messages import FailureKind, Task

pytestmark = pytest.mark.unit
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 4, (256, 5)).astype(np.float32)


def look(
    second: np.ndarray, after: np.ndarray, task: Task = Task.CLASSIFICATION, first: np.ndarray = LOGITS
) -> SecondLook:
    return steadiness.look(first, second, first, after, task, "cpu")


def kind(found: SecondLook) -> FailureKind | None:
    failure = steadiness.failure(found)
    return failure.kind if failure else None


def test_the_same_answers_are_accepted() -> None:
    found = look(LOGITS, LOGITS)
    assert (found.repeated, found.disagreeing, found.largest, found.shaken, found.flipped) == (256, 0, 0.0, 256, 0)
    assert kind(found) is None


def test_last_digits_and_one_row_in_a_hundred_are_rounding() -> None:
    second = LOGITS * np.float32(1 + 1e-5)
    assert kind(look(second, LOGITS)) is None
    second[:2] += 5
    assert kind(look(second, LOGITS)) is None
    second[:3] += 5
    assert kind(look(second, LOGITS)) is FailureKind.INCONSISTENT


def test_large_numbers_close_together_round_as_large_numbers_do() -> None:
    first = (1e6 + RNG.normal(0, 1, (100, 1))).astype(np.float32)
    assert kind(look(np.nextafter(first, np.float32(np.inf)), first, Task.REGRESSION, first)) is None


def test_bfloat16_is_rounding_on_a_gpu_only() -> None:
    coarse = (LOGITS.view(np.uint32) & 0xFFFF0000).view(np.float32)
    for device, expected in (("cuda", None), ("cpu", FailureKind.INCONSISTENT)):
        found = steadiness.look(LOGITS, coarse, LOGITS, LOGITS, Task.CLASSIFICATION, device)  # type: ignore[arg-type]  # a literal
        assert kind(found) is expected


@pytest.mark.parametrize(("rows", "flips"), [(30, 5), (256, 11)])
def test_a_collapse_takes_more_flips_than_chance_gives_a_sensitive_model(rows: int, flips: int) -> None:
    for count, expected in ((flips - 1, None), (flips, FailureKind.UNSTABLE)):
        after = LOGITS[:rows].copy()
        after[:count] *= -1
        assert kind(look(LOGITS[:rows], after, first=LOGITS[:rows])) is expected


def test_a_sensitive_model_is_rejected_as_seldom_as_the_level_says() -> None:
    rejected = 0
    for flipped in RNG.binomial(256, PERMITTED, 20_000):
        found = SecondLook(repeated=256, disagreeing=0, largest=0.0, shaken=256, flipped=int(flipped))
        rejected += steadiness.failure(found) is not None
    assert rejected <= 20_000 * LEVEL + 4 * np.sqrt(20_000 * LEVEL)


def test_a_table_with_an_honest_model_behind_it_is_seen_where_they_differ() -> None:
    """It is right everywhere, and the model behind it on nine rows of ten."""
    after = LOGITS.copy()
    after[::10] = np.roll(after[::10], 1, axis=1)
    assert kind(look(LOGITS, after)) is FailureKind.UNSTABLE


def test_values_that_jump_are_a_collapse_and_values_that_follow_are_not() -> None:
    values = RNG.normal(100, 10, (100, 1)).astype(np.float32)
    assert kind(look(values, values + np.float32(0.5), Task.REGRESSION, values)) is None
    assert kind(look(values, values[::-1], Task.REGRESSION, values)) is FailureKind.UNSTABLE


def test_a_model_that_says_one_thing_is_steady_however_its_last_digits_fall() -> None:
    constant = np.full((256, 3), 2.0, dtype=np.float32)
    noisy = constant + RNG.normal(0, 1e-7, constant.shape).astype(np.float32)
    assert kind(look(noisy, noisy[::-1], first=constant)) is None


def test_nothing_asked_twice_is_nothing_said() -> None:
    nothing = LOGITS[:0]
    assert kind(steadiness.look(nothing, nothing, nothing, nothing, Task.REGRESSION, "cpu")) is None
