"""The two jobs of the prepare room, each as the steps it takes: load, split, fit, write, reply."""

from pathlib import Path
from typing import TypeVar

import numpy as np

from fumehood_runner.prepare import arrays, features, memory, newrows, sources
from fumehood_runner.prepare import split as splitting
from fumehood_runner.prepare.cells import Rows
from fumehood_runner.prepare.placement import SPLITS, OwnSplits
from fumehood_runner.prepare.refusals import Refused, fitting, listing, shown
from fumehood_runner.prepare.sources import Loaded
from fumehood_runner.prepare.target import Target, check_classes, quantile_bins
from fumehood_shared import caps, json_tokens, paths
from fumehood_shared.messages import (
    ArraySpec,
    DataFacts,
    EncodeReply,
    EncodeRequest,
    Encoding,
    PrepareReply,
    PrepareRequest,
    RefusalKind,
    TargetEncoding,
    Task,
    TokenEncoding,
)

_ENVELOPE_BYTES = 64 * caps.KIB
"""What a later request may need around an encoding."""
_IMBALANCED = 10
"""Rows of the most frequent class for each of the least frequent one, from which on a note says so."""

Reply = TypeVar("Reply", PrepareReply, EncodeReply)


# ---- prepare -------------------------------------------------------------------------------------------------------


def run_prepare(request: PrepareRequest, exchange: Path) -> PrepareReply:
    data = sources.load(request.source, exchange / paths.IN / paths.RAW)
    check_classes(data.target)
    data, remarks = _subset(data, request)
    split, placed = splitting.place(
        data.placement, _strata(data.target), request.split_seed, request.validation_fraction, request.test_fraction
    )
    missing = _classes_not_everywhere(data.target, split)
    encoding, fitted = features.fit(data.features, split.train)
    specs = _specs(data.target.task, encoding, split)
    repeated = _write_splits(exchange / paths.OUT, data, encoding, split, specs)
    notes = (*data.notes, *remarks, *placed, *missing, *fitted, *features.notes(encoding, data.features))
    return bounded(
        PrepareReply(
            task=data.target.task,
            input_kind=features.input_kind(encoding),
            input_shape=features.inputs_spec(encoding, 1).shape[1:],
            num_outputs=len(data.target.classes) or 1,
            vocab_size=encoding.vocab_size if isinstance(encoding, TokenEncoding) else None,
            encoding=encoding,
            target=_target_encoding(data.target, split.train),
            arrays=specs,
            facts=_facts(data, repeated, notes),
        )
    )


def _subset(data: Loaded, request: PrepareRequest) -> tuple[Loaded, tuple[str, ...]]:
    """So many rows as were asked for, and a note about it."""
    if request.subset is None:
        return data, ()
    rows = data.features.rows
    if request.subset >= rows:
        return data, (f"A subset of {request.subset} rows was asked for; there are {rows}, and all are used.",)
    chosen = splitting.subset(_within_own_splits(data), request.split_seed, request.subset)
    return data.pick(chosen), (f"A subset of {request.subset} of {rows} rows, each class in its proportion.",)


def _within_own_splits(data: Loaded) -> Rows:
    """Strata, apart for each split that the data set brings, so that a part of it has these in proportion too."""
    strata = _strata(data.target)
    if not isinstance(data.placement, OwnSplits):
        return strata
    together = strata * len(SPLITS) + data.placement.parts.astype(np.int64)
    return np.unique(together, return_inverse=True)[1].astype(np.int64)


def _strata(target: Target) -> Rows:
    if target.task is Task.CLASSIFICATION:
        return target.values.astype(np.int64)
    return quantile_bins(target.values.astype(np.float64))


def _classes_not_everywhere(target: Target, split: splitting.Split) -> tuple[str, ...]:
    """Refuse what cannot be learnt; notes on classes that cannot be judged. Only groups, times and own splits do that.

    At random every class has its share in every split.
    """
    if target.task is not Task.CLASSIFICATION:
        return ()
    notes = []
    for name in SPLITS:
        counts = np.bincount(target.values[split.rows(name)].astype(np.int64), minlength=len(target.classes))
        absent = [target.classes[i] for i in np.flatnonzero(counts == 0)]
        if absent and name == "train":
            raise Refused(
                RefusalKind.CLASS_MISSING,
                f"The split leaves no training rows of {len(absent)} of {len(target.classes)} classes of "
                f"{shown(target.name)}, so they cannot be learnt: {listing(absent)}. Merge or remove them, or split "
                "another way.",
            )
        if absent:
            notes.append(f"No {name} rows of these classes, which scores on them say nothing about: {listing(absent)}.")
    return tuple(notes)


def _specs(task: Task, encoding: Encoding, split: splitting.Split) -> dict[str, ArraySpec]:
    specs = {}
    for name in SPLITS:
        n = len(split.rows(name))
        specs[f"{name}_inputs"] = features.inputs_spec(encoding, n)
        classes = task is Task.CLASSIFICATION
        specs[f"{name}_targets"] = (
            ArraySpec(dtype="int64", shape=(n,)) if classes else ArraySpec(dtype="float32", shape=(n, 1))
        )
    return specs


def _write_splits(
    out: Path, data: Loaded, encoding: Encoding, split: splitting.Split, specs: dict[str, ArraySpec]
) -> int:
    """Write all six arrays; how many validation and test rows have the inputs of a row of an earlier split."""
    memory.require(sum(spec.nbytes for spec in specs.values()), "the encoded data")
    seen: arrays.Fingerprints = np.empty(0, dtype=np.uint64)
    repeated = 0
    for name in SPLITS:
        rows = split.rows(name)
        blocks = features.blocks(encoding, data.features, rows)
        prints = arrays.write_inputs(out, f"{name}_inputs", specs[f"{name}_inputs"], blocks)
        arrays.write_targets(out, f"{name}_targets", specs[f"{name}_targets"], data.target.values[rows])
        repeated += arrays.repeats(seen, prints)
        seen = np.concatenate([seen, prints])
    return repeated


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


def _facts(data: Loaded, repeated: int, notes: tuple[str, ...]) -> DataFacts:
    target = data.target
    remarks = [*target.notes, *notes, *_imbalance(target)]
    if data.dropped:
        remarks.append(f"{data.dropped} rows without a target in {shown(target.name)} were left out.")
    if repeated:
        remarks.append(
            f"{repeated} validation and test rows have the same inputs as a row of an earlier split, so scores on "
            "them reward memory."
        )
    return DataFacts(
        rows=data.features.rows,
        class_counts=target.class_counts(),
        missing_cells=features.missing_cells(data.features),
        dropped_rows=data.dropped,
        duplicate_rows_across_splits=repeated,
        notes=tuple(fitting(remark) for remark in remarks),
    )


def _imbalance(target: Target) -> list[str]:
    counts = target.class_counts()
    if not counts or max(counts.values()) <= _IMBALANCED * min(counts.values()):
        return []
    most, least = max(counts, key=lambda name: counts[name]), min(counts, key=lambda name: counts[name])
    return [
        f"Classes are imbalanced: {counts[most]} rows of {shown(most)} and {counts[least]} of {shown(least)}. Always "
        f"saying {shown(most)} is right in {counts[most] / sum(counts.values()):.1%}; balanced_accuracy or f1_macro "
        "judge all classes alike."
    ]


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
    found, ignored = newrows.load(request.source, request.encoding, exchange / paths.IN / paths.RAW)
    spec = features.inputs_spec(request.encoding, found.rows)
    memory.require(spec.nbytes, "the encoded data")
    blocks = features.blocks(request.encoding, found, np.arange(found.rows))
    arrays.write_inputs(exchange / paths.OUT, "inputs", spec, blocks)
    notes = [f"Columns that the model does not use: {listing(ignored)}."] if ignored else []
    notes += features.notes(request.encoding, found)
    facts = DataFacts(
        rows=found.rows,
        missing_cells=features.missing_cells(found),
        notes=tuple(fitting(note) for note in notes),
    )
    return bounded(EncodeReply(arrays={"inputs": spec}, facts=facts))
