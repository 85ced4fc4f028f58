"""The two jobs of the prepare room, each as the steps it takes: load, split, fit, write, reply."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np

from fumehood_runner.prepare import arrays, features, memory, newrows, sources
from fumehood_runner.prepare import split as splitting
from fumehood_runner.prepare.cells import Rows
from fumehood_runner.prepare.landmarks import landmarks
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
    Fold,
    Landmarks,
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

_AS_EARLIER = "have the same inputs as a row of"
_REWARDED = "so scores on them reward memory."

Reply = TypeVar("Reply", PrepareReply, EncodeReply)


# ---- prepare -------------------------------------------------------------------------------------------------------


def run_prepare(request: PrepareRequest, exchange: Path) -> PrepareReply:
    data = sources.load(request.source, exchange / paths.IN / paths.RAW)
    check_classes(data.target)
    data, remarks = _subset(data, request)
    split, placed = splitting.place(
        data.placement, _strata(data.target), request.split_seed, request.validation_fraction, request.test_fraction
    )
    if request.folds is not None:
        rest = np.union1d(split.train, split.validation)
        parts, made = splitting.folds(data.placement, _strata(data.target), rest, request.split_seed, request.folds)
        return bounded(_folded(data, split, parts, exchange / paths.OUT, (*data.notes, *remarks, *made)))
    return bounded(_as_split(data, split, exchange / paths.OUT, (*data.notes, *remarks, *placed)))


def _as_split(data: Loaded, split: splitting.Split, out: Path, notes: tuple[str, ...]) -> PrepareReply:
    missing = _classes_not_everywhere(data.target, split)
    fold, fitted = _fit(data, split.train)
    specs = _specs(data.target.task, fold.encoding, split)
    memory.require(sum(spec.nbytes for spec in specs.values()), "the encoded data")
    repeated = sum(_write_splits(out, data, fold.encoding, split).values())
    if repeated:
        fitted = (*fitted, f"{repeated} validation and test rows {_AS_EARLIER} an earlier split, {_REWARDED}")
    simple = landmarks(data, fold.encoding, split.train)
    return _reply(data, fold, specs, _facts(data, repeated, simple, (*notes, *missing, *fitted)))


def _folded(
    data: Loaded, split: splitting.Split, parts: Sequence[Rows], out: Path, notes: tuple[str, ...]
) -> PrepareReply:
    """Every fold as a split of its own; beside them the targets of all, and the inputs for test as without folds."""
    every = np.concatenate(parts)
    splits = [splitting.Split(np.setdiff1d(every, part), part, split.test) for part in parts]
    missing = [_classes_not_everywhere(data.target, replace(one, validation=every)) for one in splits]
    fitted = [_fit(data, one.train) for one in splits]
    encodings = features.of_one_shape([fold.encoding for fold, _ in fitted])
    folds = [Fold(encoding=fitting, target=fold.target) for fitting, (fold, _) in zip(encodings, fitted, strict=True)]
    without = features.fit(data.features, split.train)[0]
    specs = {"test_inputs": features.inputs_spec(without, len(split.test))}
    whole = splitting.Split(every, every, split.test)
    specs |= {f"{name}_targets": _targets_spec(data.target.task, len(whole.rows(name))) for name in SPLITS}
    numbered = list(enumerate(zip(folds, splits, strict=True), start=1))
    for number, (fold, one) in numbered:
        own = _specs(data.target.task, fold.encoding, one)
        specs |= {paths.fold_array(number, name): spec for name, spec in own.items()}
    memory.require(sum(spec.nbytes for spec in specs.values()), "the encoded data of all folds")
    counts = [_write_splits(out, data, fold.encoding, one, number) for number, (fold, one) in numbered]
    _write_inputs(out, "test_inputs", data, without, split.test)
    for name in SPLITS:
        _write_targets(out, f"{name}_targets", data, whole.rows(name))
    repeated = sum(count["validation"] for count in counts) + counts[0]["test"]
    remarks = [*missing[0], *_of_all_folds([of for _, of in fitted])]
    if repeated:
        remarks.append(f"{repeated} rows of a fold or of the test {_AS_EARLIER} another fold, {_REWARDED}")
    simple = landmarks(data, without, split.train)
    return _reply(data, folds[0], specs, _facts(data, repeated, simple, (*notes, *remarks)), folds)


def _fit(data: Loaded, train: Rows) -> tuple[Fold, tuple[str, ...]]:
    """What is fitted on the rows ``train``, and notes."""
    encoding, fitted = features.fit(data.features, train)
    notes = (*fitted, *features.notes(encoding, data.features))
    return Fold(encoding=encoding, target=_target_encoding(data.target, train)), notes


def _of_all_folds(notes: Sequence[Sequence[str]]) -> list[str]:
    """Each note once; one that not all folds have says of which it is."""
    seen = Counter(chain.from_iterable(map(set, notes)))
    common = [note for note in notes[0] if seen[note] == len(notes)]
    own = [f"Fold {fold}: {note}" for fold, of in enumerate(notes, 1) for note in of if seen[note] < len(notes)]
    return common + own


def _reply(
    data: Loaded, of: Fold, arrays: dict[str, ArraySpec], facts: DataFacts, folds: Sequence[Fold] = ()
) -> PrepareReply:
    sizes = [one.encoding.vocab_size for one in (of, *folds) if isinstance(one.encoding, TokenEncoding)]
    return PrepareReply(
        task=data.target.task,
        input_kind=features.input_kind(of.encoding),
        input_shape=features.inputs_spec(of.encoding, 1).shape[1:],
        num_outputs=len(data.target.classes) or 1,
        vocab_size=max(sizes, default=None),
        encoding=of.encoding,
        target=of.target,
        arrays=arrays,
        folds=tuple(folds),
        facts=facts,
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
        specs[f"{name}_targets"] = _targets_spec(task, n)
    return specs


def _targets_spec(task: Task, rows: int) -> ArraySpec:
    if task is Task.CLASSIFICATION:
        return ArraySpec(dtype="int64", shape=(rows,))
    return ArraySpec(dtype="float32", shape=(rows, 1))


def _write_splits(
    out: Path, data: Loaded, encoding: Encoding, split: splitting.Split, fold: int | None = None
) -> dict[str, int]:
    """Write all six arrays; of each split how many of its rows have the inputs of a row of an earlier one."""
    seen: arrays.Fingerprints = np.empty(0, dtype=np.uint64)
    repeated = {}
    for name in SPLITS:
        called = name if fold is None else paths.fold_array(fold, name)
        prints = _write_inputs(out, f"{called}_inputs", data, encoding, split.rows(name))
        _write_targets(out, f"{called}_targets", data, split.rows(name))
        repeated[name] = arrays.repeats(seen, prints)
        seen = np.concatenate([seen, prints])
    return repeated


def _write_inputs(out: Path, name: str, data: Loaded, encoding: Encoding, rows: Rows) -> arrays.Fingerprints:
    blocks = features.blocks(encoding, data.features, rows)
    return arrays.write_inputs(out, name, features.inputs_spec(encoding, len(rows)), blocks)


def _write_targets(out: Path, name: str, data: Loaded, rows: Rows) -> None:
    arrays.write_targets(out, name, _targets_spec(data.target.task, len(rows)), data.target.values[rows])


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


def _facts(data: Loaded, repeated: int, simple: Landmarks | None, notes: tuple[str, ...]) -> DataFacts:
    target = data.target
    remarks = [*target.notes, *notes, *_imbalance(target)]
    if data.dropped:
        remarks.append(f"{data.dropped} rows without a target in {shown(target.name)} were left out.")
    return DataFacts(
        rows=data.features.rows,
        class_counts=target.class_counts(),
        missing_cells=features.missing_cells(data.features),
        dropped_rows=data.dropped,
        duplicate_rows_across_splits=repeated,
        landmarks=simple,
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
