"""A run's iterations, packed: a sequence like any other, of equal values."""

import pytest

from fumehood.history import History, longer
from report import factories

pytestmark = pytest.mark.unit
ITERATIONS = factories.good_run().iterations


def test_what_is_packed_is_read_again() -> None:
    history = History(ITERATIONS)
    assert tuple(history) == ITERATIONS
    assert [history[place] for place in (0, -1)] == [ITERATIONS[0], ITERATIONS[-1]]
    assert tuple(history[1:3]) == ITERATIONS[1:3]
    with pytest.raises(IndexError):
        history[len(ITERATIONS)]


def test_it_grows_and_the_shorter_one_stays() -> None:
    history = History(ITERATIONS[:2])
    assert tuple(longer(history, ITERATIONS[2])) == tuple(longer(ITERATIONS[:2], ITERATIONS[2])) == ITERATIONS[:3]
    assert len(history) == 2


def test_histories_of_equal_iterations_are_equal_and_others_are_not() -> None:
    history = History(ITERATIONS)
    assert history == History(ITERATIONS)
    assert hash(history) == hash(History(ITERATIONS))
    assert history[:2] == History(ITERATIONS[:2]) != history
    changed = ITERATIONS[0].model_copy(update={"source_digest": "another"})
    assert History((changed, *ITERATIONS[1:])) != history
