"""Plans in plain words: what is tried, and why, for reports and for people watching."""

from collections.abc import Mapping

from fumehood.planning.knobs import Setting
from fumehood.planning.space import Candidate
from fumehood.records import Iteration
from fumehood.records.insight import Recalled
from fumehood.text import plain

_MORE_LESS: Mapping[str, tuple[str, str]] = {
    "width": ("wider", "narrower"),
    "depth": ("deeper", "shallower"),
    "stages": ("more stages", "fewer stages"),
    "dropout": ("more dropout", "less dropout"),
    "lr": ("higher learning rate", "lower learning rate"),
    "weight_decay": ("more weight decay", "less weight decay"),
    "epochs": ("more epochs", "fewer epochs"),
    "batch_size": ("larger batches", "smaller batches"),
    "label_smoothing": ("more label smoothing", "less label smoothing"),
    "early_stop": ("a larger slice for early stopping", "a smaller slice for early stopping"),
}
_NAMES: Mapping[str, str] = {
    "relu": "ReLU", "gelu": "GELU", "silu": "SiLU", "adamw": "AdamW", "sgd": "SGD",
    "one_cycle": "one-cycle", "batch": "batch norm", "layer": "layer norm", "group": "group norm",
}  # fmt: skip


def title(candidate: Candidate) -> str:
    """For example "Convolutional network, width 32, depth 1, ReLU, batch norm"."""
    settings, label = candidate.settings, candidate.family.label
    if _is_linear(candidate):
        return f"Linear model, {_named(settings['optimizer'])}, learning rate {settings['lr']}"
    parts = [label[:1].upper() + label[1:], f"width {settings['width']}", f"depth {settings['depth']}"]
    parts += [f"windows of {settings['windows']} words"] if "windows" in settings else []
    parts += [f"patch {settings['patch']}"] if "patch" in settings else []
    parts += [_named(settings["activation"])] if settings["depth"] else []
    parts += [_named(settings["norm"])] if settings.get("norm", "none") != "none" else []
    parts += [f"dropout {settings['dropout']}"] if settings["dropout"] else []
    return ", ".join(parts)


def why_first(candidate: Candidate, number: int, rows: int) -> str:
    place = "First proposal" if number == 1 else "Early proposal"
    return (
        f"{place}: {_a(candidate)} with settings that work well for {rows} training rows "
        f"of this kind, before the search has learnt from scores ({_size(candidate)})."
    )


def why_recalled(candidate: Candidate, source: Recalled) -> str:
    return (
        f"Remembered: {_a(candidate)} like one that did well before ({plain(source.insight.text, 200)}), "
        f"{plain(source.reason, 100)} ({_size(candidate)})."
    )


def why_drawn(
    candidate: Candidate, settings: Mapping[str, Setting] | None, best: Iteration | None, value: float, told: int
) -> str:
    """Compared with the best iteration so far; ``settings`` are that iteration's where it is of the same family."""
    if best is None:
        return f"Next, {_a(candidate)}, because nothing has given a score yet ({_size(candidate)})."
    standing = f"iteration {best.number}, the best of {told} so far with {value:.4g}"
    if settings is None:
        return f"Tries {_a(candidate)} after {standing}, to see whether this family does better ({_size(candidate)})."
    changes = "; ".join(_changes(settings, candidate.settings)) or "the same settings, newly combined"
    return f"Like {standing}, drawn towards what scored well, but: {changes} ({_size(candidate)})."


def why_anywhere(candidate: Candidate) -> str:
    return f"A point drawn at random, because everything near the good ones has been tried ({_size(candidate)})."


def _changes(before: Mapping[str, Setting], after: Mapping[str, Setting]) -> list[str]:
    return [_change(name, before[name], after[name]) for name in after if before.get(name, after[name]) != after[name]]


def _change(name: str, before: Setting, after: Setting) -> str:
    if name in _MORE_LESS and not isinstance(before, str) and not isinstance(after, str):
        more, less = _MORE_LESS[name]
        return f"{more if after > before else less} ({after} rather than {before})"
    named = "" if str(after) in _NAMES or str(before) in _NAMES else f"{name.replace('_', ' ')} "
    return f"{named}{_named(after)} rather than {_named(before)}"


def _a(candidate: Candidate) -> str:
    label = "linear model" if _is_linear(candidate) else candidate.family.label
    return ("an " if label.startswith(("MLP", "a", "e", "i", "o")) else "a ") + label


def _is_linear(candidate: Candidate) -> bool:
    """A multilayer perceptron of no layers; other families have something below their linear layer."""
    return candidate.family.name == "mlp" and candidate.settings["depth"] == 0


def _named(value: Setting) -> str:
    return _NAMES.get(str(value), str(value))


def _size(candidate: Candidate) -> str:
    return f"{candidate.trace.parameters:,} parameters"
