"""Every attack of the suite fails, under the ordinary policy and under gVisor, as the command tells."""

import pytest

from attacks.told import Told
from fumehood.attacks import suite
from fumehood.attacks.attack import Attack
from fumehood.policy import shipped

pytestmark = [pytest.mark.attacks, pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]
POLICIES = ("standard", "strict")
KEYS = [attack.key for attack in suite.ATTACKS]


@pytest.mark.parametrize("attack", suite.ATTACKS, ids=KEYS)
@pytest.mark.parametrize("policy", POLICIES)
def test_an_attack_fails(told: Told, policy: str, attack: Attack) -> None:
    row = told(policy).row(attack.key)
    assert row["passed"], row["seen"]
    assert row["expected"] == attack.expected
    assert row["seen"]


@pytest.mark.parametrize("policy", POLICIES)
def test_all_rows_are_told_and_the_command_says_that_all_is_well(told: Told, policy: str) -> None:
    document, code = told(policy).document, told(policy).code
    assert [f"{row['group']}/{row['name']}" for row in document["attacks"]] == KEYS
    assert (document["passed"], document["failed"], document["exit_code"], code) == (len(KEYS), 0, 0, 0)
    assert document["policy"] == policy
    assert set(POLICIES) <= set(shipped())


@pytest.mark.unit
def test_no_two_attacks_have_one_name() -> None:
    assert len(set(KEYS)) == len(KEYS)
