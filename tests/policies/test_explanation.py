"""What a policy is said to mean is what it says, and nothing of it goes unexplained."""

import pytest
from pydantic import ByteSize

from fumehood import explanation, floor, policy
from fumehood.errors import UsageError
from fumehood.floor import Floor

pytestmark = pytest.mark.unit
STANDARD = policy.load("standard")


def test_every_key_of_a_policy_has_a_meaning_and_a_consequence() -> None:
    found = explanation.entries(STANDARD)
    assert {entry.key for entry in found} == set(floor.flat(STANDARD))
    assert [entry.key for entry in found if not (entry.meaning and entry.without and entry.shown)] == []


def test_the_page_of_policies_explains_no_key_that_is_not_there() -> None:
    assert set(explanation.consequences()) == set(floor.flat(STANDARD))


def test_what_a_floor_says_is_told_with_its_file_the_tightest_first() -> None:
    floors = [
        Floor("a.toml", {"train.memory": ByteSize(8 * 2**30)}),
        Floor("b.toml", {"train.memory": ByteSize(2**30)}),
    ]
    (entry,) = explanation.matching(explanation.entries(STANDARD, floors), "train.memory")
    assert [(bound.source, bound.holds) for bound in entry.bounds] == [("b.toml", False), ("a.toml", True)]
    assert entry.bounds[0].words == "at most 1073741824 (1.0GiB)"


def test_a_key_a_table_and_a_name_of_all_tables_choose() -> None:
    found = explanation.entries(STANDARD)
    assert [entry.key for entry in explanation.matching(found, "memory")] == [
        "prepare.memory",
        "train.memory",
        "predict.memory",
    ]
    assert len(explanation.matching(found, "train")) == len(type(STANDARD.train).model_fields)
    with pytest.raises(UsageError, match="no key 'memmory'"):
        explanation.matching(found, "memmory")


def test_what_is_looser_than_the_standard_policy_is_named() -> None:
    train = STANDARD.train.model_copy(update={"pids": STANDARD.train.pids + 1, "nofile": 64})
    mine = STANDARD.model_copy(update={"train": train})
    assert explanation.looser(mine) == {"train.pids": str(STANDARD.train.pids)}
    assert any("train.pids" in risk for risk in explanation.risks(mine))
    assert explanation.looser(STANDARD) == {}


def test_a_shared_kernel_and_shared_rooms_are_named_as_risks() -> None:
    assert [risk.partition(" ")[0] for risk in explanation.risks(STANDARD)] == ["runtime", "isolate_seeds"]
    tight = STANDARD.model_copy(update={"runtime": "runsc", "isolate_seeds": True})
    assert explanation.risks(tight) == []


def test_the_budget_counts_the_rooms_that_live_together() -> None:
    found = explanation.budget(STANDARD)
    assert found.memory_bytes == STANDARD.train.host_bytes + STANDARD.predict.host_bytes
    assert found.seconds == 120 + 1800 + 120 + 600
