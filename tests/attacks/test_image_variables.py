"""Rooms of an image that carries variables of a loader or of a vendor are refused; of a harmless one they open."""

import pytest

from fumehood.attacks import images
from fumehood.attacks.stage import Stage

pytestmark = [pytest.mark.attacks, pytest.mark.integration]


@pytest.mark.parametrize("name", images.VARIABLES)
def test_one_variable_is_enough(stage: Stage, name: str) -> None:
    assert f"Config.Env: {name} is set" in (images.refusal(stage, [f"{name}=/exchange/in"]) or "")


def test_an_image_with_a_harmless_variable_is_used(stage: Stage) -> None:
    assert images.refusal(stage, ["LANG=C"]) is None
