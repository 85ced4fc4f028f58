"""Holm's correction, over the comparisons that were planned."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fumehood.errors import InternalError
from fumehood.scoring.multiple import adjusted, holm

pytestmark = pytest.mark.unit
PROBABILITIES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def test_the_textbook_example_of_four_hypotheses_rejects_the_first_and_the_last():
    """The example of the article "Holm-Bonferroni method" in Wikipedia; R's ``p.adjust`` gives these values."""
    assert adjusted([0.01, 0.04, 0.03, 0.005], 4) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.01, 0.04, 0.03, 0.005], 0.95, 4) == (True, False, False, True)


def test_comparisons_that_were_planned_count_although_they_were_not_made():
    assert adjusted([0.01], 19) == pytest.approx((0.19,))
    assert holm([0.001, 0.02], 0.95, 2) == (True, True)
    assert holm([0.001, 0.02], 0.95, 20) == (True, False)


def test_more_comparisons_than_planned_are_our_bug():
    with pytest.raises(InternalError):
        adjusted([0.1, 0.2], 1)


@given(PROBABILITIES)
def test_holms_step_down_as_he_states_it(p_values):
    order, claimed = np.argsort(p_values, kind="stable"), set()
    for rank, index in enumerate(order):
        if (len(p_values) - rank) * p_values[index] > 1 - 0.95:
            break
        claimed.add(int(index))
    assert holm(p_values, 0.95, len(p_values)) == tuple(i in claimed for i in range(len(p_values)))


@given(PROBABILITIES)
def test_what_was_claimed_on_the_way_stays_claimed_at_the_end(p_values):
    end = holm(p_values, 0.9, len(p_values))
    for made in range(1, len(p_values)):
        for earlier, later in zip(holm(p_values[:made], 0.9, len(p_values)), end, strict=False):
            assert later or not earlier
