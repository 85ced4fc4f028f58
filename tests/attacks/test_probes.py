"""What is made of probes' own accounts: a row passes only if its program was heard in both rooms and gained nothing."""

from pathlib import Path

import pytest

from fumehood import assets
from fumehood.attacks import bait, probes, see, walls
from fumehood.attacks.attack import Group, Probe
from fumehood.attacks.probes import Tried
from fumehood.attacks.suite import ATTACKS
from fumehood.sandbox import image

pytestmark = [pytest.mark.attacks, pytest.mark.unit]
PROBE = Probe("mounts", Group.SEE, "the room's own", relaxed=walls.NONE)
CLEAN = Tried(name=PROBE.key)


def judged(train: Tried, predict: Tried, *touched: str) -> tuple[bool, str]:
    row = probes.judged(PROBE, {"train": train, "predict": predict}, touched)
    return row.passed, row.seen


def test_a_probe_that_finds_nothing_in_both_rooms_passes() -> None:
    assert judged(CLEAN, CLEAN) == (True, "nothing")


def test_a_refusal_passes_and_is_told_with_its_reason() -> None:
    refused = Tried(name=PROBE.key, refused="Operation not permitted")
    assert judged(refused, refused) == (True, "Operation not permitted")
    assert judged(refused, CLEAN) == (True, "train: Operation not permitted; predict: nothing")


@pytest.mark.parametrize("gain", ["", "/host"])
def test_a_gain_in_either_room_fails(gain: str) -> None:
    gained = Tried(name=PROBE.key, gained=gain)
    assert not judged(gained, CLEAN)[0]
    assert not judged(CLEAN, gained)[0]


def test_a_program_that_broke_fails() -> None:
    broken = Tried(name=PROBE.key, broken="KeyError")
    assert judged(CLEAN, broken) == (False, "train: nothing; predict: broken: KeyError")


def test_a_program_of_which_nothing_was_heard_fails_and_says_how_its_room_ended() -> None:
    passed, seen = judged(CLEAN, probes.silent(PROBE, "ended with timeout: too late"))
    assert not passed
    assert seen.endswith("nothing was heard of it, and its room ended with timeout: too late")


def test_what_touched_the_bait_is_believed_rather_than_the_program() -> None:
    passed, seen = judged(CLEAN, CLEAN, PROBE.key)
    assert not passed
    assert seen == "nothing; seen from outside: something connected"


def test_of_what_a_room_prints_only_findings_are_heard() -> None:
    lines = [
        'FINDING {"name": "a", "gained": null}',
        'FINDING {"name": "b", "gained": "x", "more": 1}',
        'FINDING {"name": "c", "gained": NaN}',
        'FINDING {"name": "d"} ',
        ' FINDING {"name": "e"}',
        'FINDING {"name": "f", "refused": "no", "absent": true}',
    ]
    assert sorted(probes.heard("\n".join(lines))) == ["a", "f"]


def test_a_probe_that_is_heard_twice_is_believed_the_worse() -> None:
    lines = ['FINDING {"name": "a", "gained": "all of it"}', 'FINDING {"name": "a"}']
    assert probes.heard("\n".join(lines))["a"].gained == "all of it"
    assert probes.heard("\n".join(reversed(lines)))["a"].gained == "all of it"


def test_every_attack_is_a_program_that_says_what_it_tries() -> None:
    for attack in ATTACKS:
        if attack.name != "image-variables":
            assert attack.source.startswith('"""'), attack.key


def test_no_attack_is_in_the_image() -> None:
    shipped = assets.sandbox_image() / "attacks"
    assert list(shipped.glob("*/*.py"))
    assert not [source for source in image.own_files() if source.path.is_relative_to(shipped)]


def test_programs_are_told_no_secret(tmp_path: Path) -> None:
    with bait.laid(tmp_path) as laid:
        assert laid.secret.encode() in (tmp_path / "secret").read_bytes()
        assert (tmp_path / "set-id").stat().st_mode & 0o7777 == 0o4755
        assert laid.touched == []
    assert not any(laid.secret in attack.source for attack in see.ATTACKS)
