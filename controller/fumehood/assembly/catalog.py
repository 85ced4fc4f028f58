"""Every layer type the assembler knows, found by any of its names."""

import re
from collections.abc import Iterator
from difflib import get_close_matches

from fumehood.assembly.blocks import features as feature_blocks
from fumehood.assembly.blocks import image, text, tokens
from fumehood.assembly.layer import LayerType
from fumehood.assembly.layers import (
    activation,
    attention,
    convolution,
    linear,
    normalisation,
    pooling,
    recurrent,
    reshaping,
)

TYPES: tuple[LayerType, ...] = (
    *linear.TYPES,
    *convolution.TYPES,
    *normalisation.TYPES,
    *activation.TYPES,
    *pooling.TYPES,
    *reshaping.TYPES,
    *recurrent.TYPES,
    *attention.TYPES,
    *image.TYPES,
    *feature_blocks.TYPES,
    *tokens.TYPES,
    *text.TYPES,
)


def _key(name: str) -> str:
    """Names compare without case, underscores, hyphens, blanks and a leading ``nn.`` or ``torch.nn.``."""
    return re.sub(r"[\s_\-]", "", re.sub(r"^(torch\.)?nn\.", "", name.strip().lower()))


def _names() -> Iterator[tuple[str, LayerType]]:
    for kind in TYPES:
        for name in (kind.name, *kind.aliases):
            yield _key(name), kind


_BY_NAME: dict[str, LayerType] = dict(_names())


def find(name: str) -> LayerType | None:
    """The layer type that goes by ``name``, or None."""
    return _BY_NAME.get(_key(name))


def nearest(name: str) -> str | None:
    """The known type whose name or alias is most like ``name``, or None where nothing is."""
    near = get_close_matches(_key(name)[:60], list(_BY_NAME), n=1, cutoff=0.5)
    return _BY_NAME[near[0]].name if near else None


def known() -> str:
    """All type names, for messages."""
    return ", ".join(sorted((kind.name for kind in TYPES), key=str.lower))
