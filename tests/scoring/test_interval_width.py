"""Intervals that cover are of use only where they are not wider than a user can believe."""

import numpy as np
import pytest

from fumehood.scoring import METRICS
from fumehood.scoring.intervals import interval
from fumehood.scoring.measured import mean_of

pytestmark = pytest.mark.evaluation


@pytest.mark.parametrize(("wrong", "narrowest"), [((3, 2, 1), 0.96), ((3, 3, 2), 0.97), ((2, 1, 1), 0.97)])
def test_three_near_perfect_seeds_that_agree_are_not_doubted_beyond_reason(wrong, narrowest):
    rows = []
    for count in wrong:
        right = np.ones(359)
        right[:count] = 0
        rows.append(mean_of(right))
    found = interval(METRICS["accuracy"], rows, 0.95)
    assert found.low > narrowest
    assert found.high > 1 - min(wrong) / 359
