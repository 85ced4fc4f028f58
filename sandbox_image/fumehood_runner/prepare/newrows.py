"""New rows of any source, for a model that was fitted earlier: what its encoding reads, and nothing else.

Targets are not needed. Columns that the model does not know are named and left out; a column, a shape or a kind of
data that it needs and that is not there is a refusal.
"""

from pathlib import Path

import numpy as np

from fumehood_runner.prepare import (
    builtin,
    csvfile,
    encoders,
    image_folder,
    image_sets,
    jsonlfile,
    npzfile,
    parquetfile,
)
from fumehood_runner.prepare.cells import NumberCells, Table
from fumehood_runner.prepare.features import Features
from fumehood_runner.prepare.images import Images
from fumehood_runner.prepare.refusals import Refused, listing
from fumehood_runner.prepare.texts import Texts
from fumehood_shared import paths
from fumehood_shared.messages import (
    BuiltinSource,
    CategoryColumn,
    CsvSource,
    Encoding,
    ImageEncoding,
    ImageFolderSource,
    ImageSetSource,
    JsonlSource,
    NpzSource,
    ParquetSource,
    RefusalKind,
    RowsSource,
    Source,
    TabularEncoding,
    TokenEncoding,
)


def load(source: Source, encoding: Encoding, raw: Path) -> tuple[Features, list[str]]:
    """What the encoding reads of ``source``, and the names of the columns that it does not."""
    features = _read(source, encoding, raw)
    if not features.rows:
        raise Refused(RefusalKind.TOO_FEW_ROWS, "The file has no rows, so there is nothing to predict.")
    return _fitting(features, encoding, source.target if isinstance(source, RowsSource) else "")


def _read(source: Source, encoding: Encoding, raw: Path) -> Features:
    match source:
        case BuiltinSource():
            return builtin.load(source.name)[0]
        case ImageSetSource():
            return image_sets.load(source, raw)[0]
        case ImageFolderSource():
            return image_folder.load_new(raw, _images(encoding, "a folder of images"))
        case CsvSource():
            return csvfile.read_csv(raw / paths.CSV, _text_columns(encoding))
        case ParquetSource():
            return parquetfile.read_parquet(raw / paths.PARQUET, _text_columns(encoding))
        case JsonlSource():
            return _texts(source, encoding, raw / paths.JSONL)
        case NpzSource():
            return _array(source, raw / paths.NPZ)


def _texts(source: JsonlSource, encoding: Encoding, path: Path) -> Texts:
    """The text may have another name than it had in training, where that is said."""
    if not isinstance(encoding, TokenEncoding):
        raise Refused(RefusalKind.WRONG_COLUMNS, "The model was not fitted on texts, and this file holds texts.")
    name = source.text or encoding.column
    return Texts(name, jsonlfile.read_jsonl(path, name, ()).texts, encoding.length)


def _array(source: NpzSource, path: Path) -> Features:
    usual = [inputs for inputs, _ in npzfile.PAIRS]
    with npzfile.open_npz(path) as archive:
        here = [name for name in usual if name in archive.names] or (archive.names if len(archive.names) == 1 else [])
        if source.inputs is None and not here:
            raise Refused(
                RefusalKind.WRONG_COLUMNS,
                f"Which array holds the inputs is not clear: there are {listing(archive.names)}. Say #inputs=NAME.",
            )
        name = source.inputs or here[0]
        array = archive.read(name)
    return npzfile.features(array, name)[0]


def _text_columns(encoding: Encoding) -> frozenset[str]:
    if not isinstance(encoding, TabularEncoding):
        return frozenset()
    return frozenset(column.name for column in encoding.columns if isinstance(column, CategoryColumn))


def _fitting(features: Features, encoding: Encoding, target: str) -> tuple[Features, list[str]]:
    if isinstance(features, Texts):
        return features, []
    if isinstance(encoding, TokenEncoding):
        raise Refused(
            RefusalKind.WRONG_COLUMNS, "The model reads texts: name a file of JSON lines, jsonl:PATH#text=KEY."
        )
    if isinstance(features, Images):
        return _same_shape(features, encoding), []
    if isinstance(encoding, ImageEncoding):
        return _pixels(features.without(target), encoding), []
    return _chosen_columns(features, encoding, target)


def _images(encoding: Encoding, what: str) -> ImageEncoding:
    """``encoding``, where it is one of images. ``what``: the new rows."""
    if isinstance(encoding, ImageEncoding):
        return encoding
    fitted = "texts" if isinstance(encoding, TokenEncoding) else "a table"
    raise Refused(RefusalKind.WRONG_COLUMNS, f"The model was fitted on {fitted}, and the new rows are {what}.")


def _same_shape(images: Images, encoding: Encoding) -> Images:
    found = "x".join(map(str, images.pixels.shape[1:]))
    shape = _images(encoding, f"{found} images").shape
    if images.pixels.shape[1:] != shape:
        wanted = "x".join(map(str, shape))
        raise Refused(RefusalKind.WRONG_COLUMNS, f"The model reads {wanted} images, and these are {found}.")
    return images


def _pixels(table: Table, encoding: ImageEncoding) -> Images:
    """A table with a number column for each pixel, in C order."""
    wanted = int(np.prod(encoding.shape))
    shape = " x ".join(map(str, encoding.shape))
    if len(table.columns) != wanted:
        raise Refused(
            RefusalKind.WRONG_COLUMNS,
            f"The model reads images of {shape}: {wanted} number columns are needed, one for each pixel in that order, "
            f"and the file has {len(table.columns)}.",
        )
    bad = [c.name for c in table.columns if not isinstance(c, NumberCells) or c.missing.any()]
    if bad:
        raise Refused(RefusalKind.WRONG_COLUMNS, f"Pixel columns hold cells that are not numbers: {listing(bad)}.")
    columns = [encoders.numbers_of(c).astype(np.float32) for c in table.columns]
    return Images(np.stack(columns, axis=1).reshape(-1, *encoding.shape))


def _chosen_columns(table: Table, encoding: TabularEncoding, target: str) -> tuple[Table, list[str]]:
    needed = [column.name for column in encoding.columns]
    present = {cells.name for cells in table.columns}
    lacking = [name for name in needed if name not in present]
    if lacking:
        raise Refused(
            RefusalKind.WRONG_COLUMNS,
            f"{len(lacking)} of the {len(needed)} columns that the model reads are missing: {listing(lacking)}.",
        )
    used = frozenset(needed)
    ignored = [name for name in (c.name for c in table.columns) if name not in used and name != target]
    return Table(tuple(c for c in table.columns if c.name in used), table.rows, table.notes), ignored
