"""An image with variables that a loader or a vendor's runtime obeys before any program starts: rooms of it are refused.

The image is the sandbox image and those variables, made without running anything, and removed again.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from fumehood.attacks.attack import Attack, Finding
from fumehood.attacks.stage import Stage
from fumehood.errors import EngineError
from fumehood.sandbox.room import engine_errors, remove_container

VARIABLES: Final = ("LD_PRELOAD", "LD_LIBRARY_PATH", "NVIDIA_DRIVER_CAPABILITIES", "PYTHONPATH")


def finding(stage: Stage, attack: Attack) -> Finding:
    """Passed if the room is refused by the name of every variable."""
    said = refusal(stage, [f"{name}=/exchange/in" for name in VARIABLES])
    passed = said is not None and all(f"Config.Env: {name} is set" in said for name in VARIABLES)
    seen = said or "a room of that image was opened"
    return Finding(name=attack.name, group=attack.group, expected=attack.expected, seen=seen, passed=passed)


def refusal(stage: Stage, variables: Sequence[str]) -> str | None:
    """Why a room of an image with ``variables`` is refused; None where it opens."""
    with _image_with(stage, variables) as image_id:
        cage = replace(stage.host.room("train").cage, image_id=image_id)
        try:
            with stage.host.room_as(cage):
                return None
        except EngineError as error:
            return error.what


@contextmanager
def _image_with(stage: Stage, variables: Sequence[str]) -> Iterator[str]:
    api, name = stage.host.api, f"{stage.host.room('train').cage.name}-image"
    labels = stage.host.owner.labels("image", 3600.0)
    body = {"Image": stage.host.images.sandbox.image_id, "Labels": labels, "NetworkDisabled": True}
    try:
        with engine_errors("making an image with variables"):
            api.create_container_from_config(body, name)
            made = api.commit(name, changes=[f"ENV {variable}" for variable in variables])["Id"]
    finally:
        remove_container(api, name)
    try:
        yield made
    finally:
        with engine_errors("removing an image"):
            api.remove_image(made, force=True)
