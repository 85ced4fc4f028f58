"""Settles how the standard trainer trains: the user's settings, over the candidate's RECIPE, over the defaults.

Always holds: a key or a value that cannot be used is refused by name, never dropped. It trains nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from fumehood_runner.candidate import Candidate
from fumehood_runner.failures import CandidateFailed
from fumehood_shared.messages import FailureKind, InputKind, Recipe, TrainRequest

_FITS: Final[Mapping[str, frozenset[InputKind]]] = {
    "shift": frozenset({InputKind.IMAGE}),
    "flip": frozenset({InputKind.IMAGE}),
    "cutout": frozenset({InputKind.IMAGE}),
    "noise": frozenset({InputKind.IMAGE, InputKind.TABULAR}),
    "mixup": frozenset({InputKind.IMAGE, InputKind.TABULAR}),
}
"""Which inputs an augmentation makes sense for: tokens are names, not quantities."""


def settle(candidate: Candidate, request: TrainRequest) -> Recipe:
    """The recipe to train with. Raises ``CandidateFailed`` (interface) naming the key that is wrong."""
    own = candidate.recipe
    if not isinstance(own, dict):
        raise candidate.fail(f"RECIPE is a {type(own).__name__}; it has to be a dict", "RECIPE")
    line = candidate.lines.get("RECIPE")
    _parsed(own, "RECIPE", line)
    recipe = _parsed({**own, **request.overrides}, "an override of RECIPE", line)
    for name in recipe.augment:
        if request.input_kind not in _FITS[name]:
            fits = " and ".join(sorted(kind.value for kind in _FITS[name]))
            raise _refused(f"augment {name!r} does not fit {request.input_kind.value} inputs; it is for {fits}", line)
    return recipe


def _parsed(values: dict[Any, Any], where: str, line: int | None) -> Recipe:
    unknown = [key for key in values if key not in Recipe.model_fields]
    if unknown:
        raise _refused(f"{where} has no key {unknown[0]!r:.80}; it takes {', '.join(Recipe.model_fields)}", line)
    try:
        return Recipe.model_validate({key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})
    except ValidationError as error:
        first = error.errors()[0]
        key = first["loc"][0] if first["loc"] else "?"
        raise _refused(f"{where}[{key!r}] = {values.get(key)!r:.100}: {first['msg']}", line) from None


def _refused(message: str, line: int | None) -> CandidateFailed:
    return CandidateFailed(FailureKind.INTERFACE, message, line)
