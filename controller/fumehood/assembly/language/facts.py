"""A goal and a data set in lines for a prompt: what both planner and author are told of them.

Never a row, never a label of an example. ``data_lines`` names nothing; ``names`` is text of the user's data, to be
quoted, and left out where an institution does not want names of its data told.
"""

from fumehood.records import Dataset, Goal
from fumehood_shared.messages import InputKind, TabularEncoding, Task

_CLASSES = 20
"""Whose rows are counted one by one."""
_NAMES = 40


def goal_lines(goal: Goal) -> list[str]:
    better = "more" if goal.direction == "max" else "less"
    lines = [f"Metric: {goal.metric}; {better} is better."]
    if goal.target is None:
        lines.append("Target: none; as good as possible.")
    else:
        bound = "lower" if goal.direction == "max" else "upper"
        lines.append(f"Target: {goal.target:g}, to be reached by the {bound} end of the confidence interval.")
    if goal.max_parameters is not None:
        lines.append(f"At most {goal.max_parameters:,} parameters, buffers included.")
    if goal.max_train_s is not None:
        lines.append(f"At most {goal.max_train_s:g} s of training.")
    return lines


def data_lines(dataset: Dataset) -> list[str]:
    shape = " x ".join(map(str, dataset.input_shape))
    rows = {name: dataset.rows(name) for name in ("train", "validation", "test") if f"{name}_inputs" in dataset.arrays}
    return [
        f"Inputs: {_inputs(dataset, shape)}",
        f"Task: {_task(dataset)}",
        f"Rows: {', '.join(f'{count:,} {name}' for name, count in rows.items())}.",
        *_balance(dataset),
        *_missing(dataset),
        *_landmarks(dataset),
    ]


def names(dataset: Dataset) -> str:
    """What the user's data call things; foreign text."""
    lines = [f"data set: {dataset.spec}", f"target: {dataset.target.name}"]
    if dataset.target.classes:
        lines.append(f"classes, in the order of their indices: {_listed(dataset.target.classes)}")
    if isinstance(dataset.encoding, TabularEncoding) and dataset.encoding.columns:
        lines.append(f"columns: {_listed([column.name for column in dataset.encoding.columns])}")
    if dataset.facts.missing_cells:
        missing = [f"{name} ({count})" for name, count in dataset.facts.missing_cells.items()]
        lines.append(f"columns with missing cells: {_listed(missing)}")
    return "\n".join([*lines, *dataset.facts.notes])


def _landmarks(dataset: Dataset) -> list[str]:
    simple = dataset.facts.landmarks
    if simple is None:
        return []
    return [
        f"Simple models, of the targets' variance on training rows left out in turn: ridge regression explains"
        f" {simple.linear:.0%}, on a Gaussian kernel {simple.smooth:.0%}."
    ]


def _inputs(dataset: Dataset, shape: str) -> str:
    if dataset.input_kind is InputKind.IMAGE:
        return f"float32 images, {shape} (channels, height, width), standardised by channel."
    if dataset.input_kind is InputKind.TOKENS:
        return f"int64 tokens, {shape} a text; 0 is padding, 1 an unknown word; vocab_size {dataset.vocab_size}."
    return f"float32 vectors of {shape}: numbers standardised, categories one-hot."


def _task(dataset: Dataset) -> str:
    if dataset.task is Task.CLASSIFICATION:
        return f"classification; {dataset.num_outputs} classes, so {dataset.num_outputs} logits."
    spread = ", ".join(f"{m:.4g} ± {s:.3g}" for m, s in zip(dataset.target.mean, dataset.target.std, strict=False))
    return f"regression; {dataset.num_outputs} outputs in the target's own units" + (f" ({spread})." if spread else ".")


def _balance(dataset: Dataset) -> list[str]:
    counts = list(dataset.facts.class_counts.values())
    if not counts:
        return []
    if len(counts) <= _CLASSES:
        return [f"Rows by class: {', '.join(f'{n:,}' for n in counts)}."]
    return [f"Rows by class: from {min(counts):,} to {max(counts):,}."]


def _missing(dataset: Dataset) -> list[str]:
    missing = dataset.facts.missing_cells
    return (
        [f"{sum(missing.values()):,} cells of {len(missing)} columns were missing and are filled."] if missing else []
    )


def _listed(found: "list[str] | tuple[str, ...]") -> str:
    more = f" ... and {len(found) - _NAMES} more" if len(found) > _NAMES else ""
    return ", ".join(name[:60] for name in found[:_NAMES]) + more
