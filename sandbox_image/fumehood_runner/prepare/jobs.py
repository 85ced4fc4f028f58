"""The two jobs of the prepare room, each as the steps it takes: load, split, fit, write, reply."""

from pathlib import Path
from typing import TypeVar

import numpy as np

from fumehood_runner.prepare import arrays, builtin, csvfile, encoders, image_folder, image_sets, memory
from fumehood_runner.prepare import split as splitting
from fumehood_runner.prepare.builtin import Features
from fumehood_runner.prepare.cells import NumberCells, Rows, Table
from fumehood_runner.prepare.images import Images
from fumehood_runner.prepare.refusals import Refused, fitting, listing, shown
from fumehood_runner.prepare.target import Target, check_classes, quantile_bins, separate
from fumehood_shared import caps, json_tokens, paths
from fumehood_shared.messages import (
    ArraySpec,
    BuiltinSource,
    CategoryColumn,
    DataFacts,
    EncodeReply,
    EncodeRequest,
    Encoding,
    ImageEncoding,
    ImageFolderSource,
    ImageSetSource,
    InputKind,
    PrepareReply,
    PrepareRequest,
    RefusalKind,
    Source,
    TabularEncoding,
    TargetEncoding,
    Task,
)

CSV_FILE = "data.csv"
_ENVELOPE_BYTES = 64 * caps.KIB
"""What a later request may need around an encoding."""

Reply = TypeVar("Reply", PrepareReply, EncodeReply)


# ---- prepare -------------------------------------------------------------------------------------------------------


def run_prepare(request: PrepareRequest, exchange: Path) -> PrepareReply:
    features, target, dropped = _load(request.source, exchange)
    check_classes(target)
    if request.subset is not None and request.subset < features.rows:
        chosen = splitting.subset(_within_parts(features, target), request.split_seed, request.subset)
        features, target = features.pick(chosen), target.pick(chosen)
    split = _split(features, target, request)
    encoding, notes = _fit(features, split.train)
    specs = _specs(target.task, encoding, split)
    repeated = _write_splits(exchange / paths.OUT, features, target, encoding, split, specs)
    return bounded(
        PrepareReply(
            task=target.task,
            input_kind=InputKind.IMAGE if isinstance(encoding, ImageEncoding) else InputKind.TABULAR,
            input_shape=_row_shape(encoding),
            num_outputs=len(target.classes) or 1,
            encoding=encoding,
            target=_target_encoding(target, split.train),
            arrays=specs,
            facts=_facts(features, target, dropped, repeated, notes),
        )
    )


def _load(source: Source, exchange: Path) -> tuple[Features, Target, int]:
    """Features and targets of the rows that have a target, and how many have none."""
    if isinstance(source, BuiltinSource):
        return (*builtin.load(source.name), 0)
    if isinstance(source, ImageSetSource):
        return (*image_sets.load(source, exchange / paths.IN / paths.RAW), 0)
    if isinstance(source, ImageFolderSource):
        return (*image_folder.load(source, exchange / paths.IN / paths.RAW), 0)
    return separate(csvfile.read_csv(_csv(exchange)), source)


def _split(features: Features, target: Target, request: PrepareRequest) -> splitting.Split:
    """The data's own split where it has one. Refuses one that lacks a class somewhere."""
    how = (request.split_seed, request.validation_fraction, request.test_fraction)
    if not isinstance(features, Images) or features.parts is None:
        return splitting.split(_strata(target), *how)
    split = splitting.keep_official(_strata(target), features.parts, *how)
    for name in splitting.SPLITS:
        counts = target.pick(split.rows(name)).class_counts()
        if lacking := [label for label, count in counts.items() if not count]:
            raise Refused(
                RefusalKind.CLASS_MISSING,
                f"No {name} image is of {len(lacking)} of the {len(counts)} classes: {listing(lacking)}. Every "
                "class needs images in each part; where validation or test are drawn from training, three there.",
            )
    return split


def _within_parts(features: Features, target: Target) -> Rows:
    """Strata, apart for each official split."""
    strata = _strata(target)
    if not isinstance(features, Images) or features.parts is None:
        return strata
    found: Rows = np.unique(strata * len(splitting.SPLITS) + features.parts, return_inverse=True)[1]
    return found


def _csv(exchange: Path) -> Path:
    return exchange / paths.IN / paths.RAW / CSV_FILE


def _strata(target: Target) -> Rows:
    if target.task is Task.CLASSIFICATION:
        return target.values.astype(np.int64)
    return quantile_bins(target.values.astype(np.float64))


def _fit(features: Features, train: Rows) -> tuple[Encoding, tuple[str, ...]]:
    if isinstance(features, Images):
        return encoders.fit_images(features.pixels, train), features.notes
    encoding, notes = encoders.fit_table(features, train)
    return encoding, (*features.notes, *notes, *encoders.odd_cells(encoding, features))


def _row_shape(encoding: Encoding) -> tuple[int, ...]:
    return encoding.shape if isinstance(encoding, ImageEncoding) else (encoders.width(encoding),)


def _specs(task: Task, encoding: Encoding, split: splitting.Split) -> dict[str, ArraySpec]:
    specs = {}
    for name in splitting.SPLITS:
        n = len(split.rows(name))
        specs[f"{name}_inputs"] = ArraySpec(dtype="float32", shape=(n, *_row_shape(encoding)))
        classes = task is Task.CLASSIFICATION
        specs[f"{name}_targets"] = (
            ArraySpec(dtype="int64", shape=(n,)) if classes else ArraySpec(dtype="float32", shape=(n, 1))
        )
    return specs


def _write_splits(
    out: Path,
    features: Features,
    target: Target,
    encoding: Encoding,
    split: splitting.Split,
    specs: dict[str, ArraySpec],
) -> int:
    """Write all six arrays; how many validation and test rows have the inputs of a row of an earlier split."""
    memory.require(sum(spec.nbytes for spec in specs.values()), "the encoded data")
    seen: arrays.Fingerprints = np.empty(0, dtype=np.uint64)
    repeated = 0
    for name in splitting.SPLITS:
        rows = split.rows(name)
        prints = _write_inputs(out, f"{name}_inputs", specs[f"{name}_inputs"], features, encoding, rows)
        arrays.write_targets(out, f"{name}_targets", specs[f"{name}_targets"], target.values[rows])
        repeated += arrays.repeats(seen, prints)
        seen = np.concatenate([seen, prints])
    return repeated


def _write_inputs(
    out: Path, name: str, spec: ArraySpec, features: Features, encoding: Encoding, rows: Rows
) -> arrays.Fingerprints:
    if isinstance(features, Images) and isinstance(encoding, ImageEncoding):
        return arrays.write_inputs(out, name, spec, encoders.image_blocks(encoding, features.pixels, rows))
    if isinstance(features, Table) and isinstance(encoding, TabularEncoding):
        return arrays.write_inputs(out, name, spec, encoders.table_blocks(encoding, features, rows))
    raise TypeError(f"{type(encoding).__name__} does not fit {type(features).__name__}")


def _target_encoding(target: Target, train: Rows) -> TargetEncoding:
    if target.task is Task.CLASSIFICATION:
        return TargetEncoding(name=target.name, classes=target.classes)
    values = target.values[train].astype(np.float32).astype(np.float64)
    mean, std = float(values.mean()), float(values.std())
    if values.min() == values.max() or std == 0:
        raise Refused(
            RefusalKind.BAD_TARGET, f"{shown(target.name)} is the same in every training row, so it cannot be learnt."
        )
    return TargetEncoding(name=target.name, mean=(mean,), std=(std,))


def _facts(features: Features, target: Target, dropped: int, repeated: int, notes: tuple[str, ...]) -> DataFacts:
    remarks = [*target.notes, *notes]
    if dropped:
        remarks.append(f"{dropped} rows without a target in {shown(target.name)} were left out.")
    if repeated:
        remarks.append(
            f"{repeated} validation and test rows have the same inputs as a row of an earlier split, so scores on "
            "them reward memory."
        )
    return DataFacts(
        rows=features.rows,
        class_counts=target.class_counts(),
        missing_cells=_missing_cells(features),
        dropped_rows=dropped,
        duplicate_rows_across_splits=repeated,
        notes=tuple(fitting(remark) for remark in remarks),
    )


def _missing_cells(features: Features) -> dict[str, int]:
    if isinstance(features, Images):
        return {}
    counts = {cells.name: int(cells.missing.sum()) for cells in features.columns}
    return {name: count for name, count in counts.items() if count}


def bounded(reply: Reply) -> Reply:
    """Refuse where the reply would be larger, or hold more, than the wire allows."""
    document = reply.model_dump_json().encode()
    if len(document) > caps.RESULT_BYTES - _ENVELOPE_BYTES:
        raise Refused(
            RefusalKind.NOT_READABLE,
            f"The description of the columns takes {len(document) / caps.MIB:.1f} MiB, and "
            f"{caps.RESULT_BYTES // caps.MIB} MiB are the most. Use fewer columns, or shorter names and values.",
        )
    counted = json_tokens.count(document, caps.JSON_TOKENS)
    tables = len(reply.facts.class_counts) + len(reply.facts.missing_cells)
    many = counted.tokens > caps.JSON_TOKENS or counted.containers > caps.JSON_CONTAINERS
    if many or tables > caps.JSON_TABLE_KEYS:
        raise Refused(
            RefusalKind.NOT_READABLE,
            "There are more columns, classes and categories than can be described. Use fewer columns, or columns with "
            "fewer different values; 20,000 numeric columns are possible.",
        )
    return reply


# ---- encode --------------------------------------------------------------------------------------------------------


def run_encode(request: EncodeRequest, exchange: Path) -> EncodeReply:
    features, ignored = _new_rows(request, exchange)
    spec = ArraySpec(dtype="float32", shape=(features.rows, *_row_shape(request.encoding)))
    memory.require(spec.nbytes, "the encoded data")
    rows = np.arange(features.rows)
    _write_inputs(exchange / paths.OUT, "inputs", spec, features, request.encoding, rows)
    notes = [f"Columns that the model does not use: {listing(ignored)}."] if ignored else []
    if isinstance(features, Table) and isinstance(request.encoding, TabularEncoding):
        notes += [*features.notes, *encoders.odd_cells(request.encoding, features)]
    facts = DataFacts(
        rows=features.rows,
        missing_cells=_missing_cells(features),
        notes=tuple(fitting(note) for note in notes),
    )
    return bounded(EncodeReply(arrays={"inputs": spec}, facts=facts))


def _new_rows(request: EncodeRequest, exchange: Path) -> tuple[Features, list[str]]:
    """What the encoding reads, and the names of the columns that it does not."""
    if isinstance(request.source, BuiltinSource):
        features, _ = builtin.load(request.source.name)
        return _fitting_features(features, request.encoding, target="")
    if isinstance(request.source, ImageSetSource):
        images, _ = image_sets.load(request.source, exchange / paths.IN / paths.RAW)
        return _fitting_features(images, request.encoding, target="")
    if isinstance(request.source, ImageFolderSource):
        return image_folder.load_new(exchange / paths.IN / paths.RAW, request.encoding), []
    features = csvfile.read_csv(_csv(exchange), as_text=_text_columns(request.encoding))
    if not features.rows:
        raise Refused(
            RefusalKind.TOO_FEW_ROWS, "The file has no rows below its header, so there is nothing to predict."
        )
    return _fitting_features(features, request.encoding, request.source.target)


def _text_columns(encoding: Encoding) -> frozenset[str]:
    if isinstance(encoding, ImageEncoding):
        return frozenset()
    return frozenset(column.name for column in encoding.columns if isinstance(column, CategoryColumn))


def _fitting_features(features: Features, encoding: Encoding, target: str) -> tuple[Features, list[str]]:
    if isinstance(features, Images):
        return _same_shape(features, encoding), []
    if isinstance(encoding, ImageEncoding):
        return _pixels(features.without(target), encoding), []
    return _chosen_columns(features, encoding, target)


def _same_shape(images: Images, encoding: Encoding) -> Images:
    found = "x".join(map(str, images.pixels.shape[1:]))
    if not isinstance(encoding, ImageEncoding):
        raise Refused(
            RefusalKind.WRONG_COLUMNS, f"The model was fitted on a table, and this data set holds {found} images."
        )
    if images.pixels.shape[1:] != encoding.shape:
        wanted = "x".join(map(str, encoding.shape))
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
