"""What can be learnt from - a table, images, texts - and the four things done with any of them.

Each kind has its own encoding, fitted on training rows only; here only the right pair is chosen.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from fumehood_runner.prepare import encoders, texts
from fumehood_runner.prepare.cells import Rows, Table
from fumehood_runner.prepare.images import Images
from fumehood_runner.prepare.texts import Texts
from fumehood_shared.messages import (
    ArraySpec,
    Encoding,
    ImageEncoding,
    InputKind,
    TabularEncoding,
    TokenEncoding,
)

Features = Table | Images | Texts


def fit(features: Features, train: Rows) -> tuple[Encoding, tuple[str, ...]]:
    """The encoding fitted on the rows ``train``, and notes about it."""
    if isinstance(features, Images):
        return encoders.fit_images(features.pixels, train), ()
    if isinstance(features, Texts):
        return texts.fit(features, train)
    return encoders.fit_table(features, train)


def of_one_shape(encodings: Sequence[Encoding]) -> tuple[Encoding, ...]:
    """The encodings of one data set's folds, with zeros behind the rows of those that are shorter than others."""
    sizes = [inputs_spec(encoding, 1).shape[-1] for encoding in encodings]
    return tuple(
        encoding if size == max(sizes) else encoding.model_copy(update={"zeros": max(sizes) - size})
        for encoding, size in zip(encodings, sizes, strict=True)
    )


def input_kind(encoding: Encoding) -> InputKind:
    return {
        TabularEncoding: InputKind.TABULAR,
        ImageEncoding: InputKind.IMAGE,
        TokenEncoding: InputKind.TOKENS,
    }[type(encoding)]


def inputs_spec(encoding: Encoding, rows: int) -> ArraySpec:
    """Of the array of ``rows`` encoded rows."""
    if isinstance(encoding, TokenEncoding):
        return ArraySpec(dtype="int64", shape=(rows, encoding.length + encoding.zeros))
    shape = encoding.shape if isinstance(encoding, ImageEncoding) else (encoders.width(encoding),)
    return ArraySpec(dtype="float32", shape=(rows, *shape))


def blocks(encoding: Encoding, features: Features, rows: Rows) -> Iterator[NDArray[Any]]:
    """Encoded ``rows``, in their order, a block at a time."""
    if isinstance(features, Images) and isinstance(encoding, ImageEncoding):
        return encoders.image_blocks(encoding, features.pixels, rows)
    if isinstance(features, Table) and isinstance(encoding, TabularEncoding):
        return encoders.table_blocks(encoding, features, rows)
    if isinstance(features, Texts) and isinstance(encoding, TokenEncoding):
        return texts.blocks(encoding, features, rows)
    raise TypeError(f"{type(encoding).__name__} does not fit {type(features).__name__}")


def notes(encoding: Encoding, features: Features) -> tuple[str, ...]:
    """What the reader had to say, and what the encoding has no use for."""
    if isinstance(features, Table) and isinstance(encoding, TabularEncoding):
        return (*features.notes, *encoders.odd_cells(encoding, features))
    if isinstance(features, Texts) and isinstance(encoding, TokenEncoding):
        return (*features.notes, *texts.odd(encoding, features))
    return ()


def missing_cells(features: Features) -> dict[str, int]:
    """Column -> missing cells, where there are some."""
    if not isinstance(features, Table):
        return {}
    counts = {cells.name: int(cells.missing.sum()) for cells in features.columns}
    return {name: count for name, count in counts.items() if count}
