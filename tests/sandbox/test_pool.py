"""How many rooms are wanted warm: by need, and by the memory that is unused."""

from collections import deque
from itertools import accumulate

import pytest

from fumehood.sandbox.pool import Demand

pytestmark = pytest.mark.unit


def demand(warming_s: float, between_s: float, **known: bool | int) -> Demand:
    times = accumulate([between_s] * 5, initial=100.0)
    return Demand(warming_s=deque([warming_s] * 3), taken_at=deque(times), **{"expected": 0, "more": True, **known})  # type: ignore[arg-type]


def test_nothing_is_kept_warm_that_nobody_will_want() -> None:
    assert Demand().wanted(4, 2) == 1, "the first job will come"
    assert Demand(expected=0, more=False).wanted(4, 2) == 0
    assert Demand(expected=3, more=False).wanted(0, 4) == 3, "what is expected is made, however little memory is unused"


def test_no_more_are_made_for_a_job_than_may_be_warm_or_work_at_once() -> None:
    assert Demand(expected=5, more=False).wanted(1, 2) == 2
    assert Demand(expected=5, more=False).wanted(4, 2) == 4, "the next seed's rooms are warm when a place is free"
    assert Demand(expected=3, more=False).wanted(4, 1) == 3


@pytest.mark.parametrize(
    ("warming_s", "between_s", "pairs"), [(2.0, 60.0, 1), (2.0, 2.1, 1), (2.0, 1.0, 2), (2.0, 0.7, 3), (2.0, 0.0, 4)]
)
def test_as_many_are_ahead_as_are_taken_while_one_is_made(warming_s: float, between_s: float, pairs: int) -> None:
    assert demand(warming_s, between_s).wanted(4, 8) == pairs
    assert demand(warming_s, between_s).wanted(0, 8) == 0, "never beyond the memory that is unused"
