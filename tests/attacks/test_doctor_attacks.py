"""``fumehood doctor --attacks``: what it prints, and its exit code, for good rows and for bad ones."""

from pathlib import Path

import pytest

from cli.commands import fumehood
from fumehood.attacks.attack import Finding, Group
from fumehood.attacks.suite import Control
from fumehood.cli import attack_table
from fumehood.cli.doctor import verdict

pytestmark = [pytest.mark.attacks, pytest.mark.unit]
GOOD = Finding(name="mounts", group=Group.SEE, expected="the room's own", seen="nothing", passed=True)
BAD = Finding(name="chroot", group=Group.OUT, expected="refused", seen="gained: \x1b[2J<b>\u202e", passed=False)
SHOWN = Control(name="see/mounts", relaxed="no host path", seen="gained: /mnt", proven=True, absent=False)
ABSENT = Control(name="out/kexec", relaxed="no capability", seen="Function not implemented", proven=False, absent=True)
UNSHOWN = Control(name="out/mount", relaxed="no capability", seen="refused", proven=False, absent=False)


@pytest.mark.parametrize(
    ("rows", "controls", "code"),
    [
        ([GOOD], [], 0),
        ([GOOD], [SHOWN, ABSENT], 0),
        ([GOOD, BAD], [], 4),
        ([GOOD], [SHOWN, UNSHOWN], 6),
        ([BAD], [UNSHOWN], 4),
    ],
)
def test_an_attack_that_succeeds_counts_more_than_a_control_that_shows_nothing(
    rows: list[Finding], controls: list[Control], code: int
) -> None:
    assert verdict(rows, controls) == code


def test_the_table_shows_every_row_and_escapes_what_rooms_said(capsys: pytest.CaptureFixture[str]) -> None:
    attack_table.show([GOOD, BAD], [SHOWN, ABSENT, UNSHOWN])
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert any(line.split() == ["mounts", "the", "room's", "own", "nothing", "ok"] for line in lines)
    assert any("chroot" in line and "<b>" in line and line.rstrip().endswith("FAILED") for line in lines)
    assert "\x1b" not in printed
    assert "\u202e" not in printed
    assert [line.split()[-1] for line in lines if line.strip().startswith(("see/", "out/"))] == [
        "shown",
        "absent",
        "SHOWN",
    ]
    assert "1 of 2 attacks succeeded, or could not be judged: chroot." in printed
    assert "Controls that show nothing: out/mount." in printed


def test_controls_alone_are_refused() -> None:
    done = fumehood("doctor", "--controls")
    assert done.code == 2
    assert "--attacks" in done.err


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_without_an_engine_nothing_is_attacked(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = fumehood("doctor", "--attacks", *options, DOCKER_HOST=f"unix://{tmp_path}/nobody.sock")
    assert done.code == 6
    assert not options or done.json["exit_code"] == 6
    assert "Traceback" not in done.err


def test_a_policy_that_is_not_there_is_a_usage_error() -> None:
    assert fumehood("doctor", "--attacks", "--policy", "lax").code == 2
