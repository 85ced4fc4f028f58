"""One cheat of every kind through ``fumehood check`` itself: verdict, exit code and reasons, as users see them."""

import os
from pathlib import Path
from typing import Any

import pytest

from cheats import kit
from cheats.test_cheats import named
from cli.commands import fumehood
from fumehood.attacks.stage import Stage

pytestmark = [pytest.mark.attacks, pytest.mark.integration, pytest.mark.slow, pytest.mark.xdist_group("cheats")]


def checked(stage: Stage, name: str, folder: Path, *options: str) -> dict[str, Any]:
    """What the command says of a cheat, in rooms of its own, on the split that the cheat is told the labels of."""
    (folder / "model.py").write_text(kit.source_of(stage, named(name)))
    split = str(stage.laboratory.dataset.split_seed)
    done = fumehood("check", str(folder / "model.py"), "--data", "digits", "--split-seed", split, "--num-seeds", "1",
                    "--json", *options, PYTHONPATH=os.environ["PYTHONPATH"])  # fmt: skip
    assert "Traceback" not in done.err
    assert done.code == done.json["exit_code"]
    return done.json


@pytest.mark.parametrize(
    ("name", "verdict", "code"),
    [
        ("row_order", "candidate_failed", 3),
        ("hash_table", "candidate_failed", 3),
        ("hidden_parameters", "policy_violation", 4),
    ],
)
def test_a_cheat_that_is_rejected_fails_the_check_with_its_kind_and_a_reason(
    stage: Stage, tmp_path: Path, name: str, verdict: str, code: int
) -> None:
    found = checked(stage, name, tmp_path, "--min-score", "0.5")
    assert (found["verdict"], found["exit_code"], found["score"]) == (verdict, code, None)
    rejected = named(name).rejected
    assert rejected is not None
    assert [(one["kind"], one["seeds"]) for one in found["rejections"]] == [(rejected.value, [0])]
    assert len(found["rejections"][0]["reason"]) > 20


def test_forged_results_are_no_rejection_and_reach_no_minimum(stage: Stage, tmp_path: Path) -> None:
    """The honest model above the forgery scores what it is worth, and not the perfect score that was forged."""
    found = checked(stage, "forged_results", tmp_path, "--min-score", "0.999")
    assert (found["verdict"], found["exit_code"]) == ("below_minimum", 1)
    assert [one["kind"] for one in found["rejections"]] == ["below_minimum"]
    assert 0.8 < found["score"]["mean"] < 0.999
