"""The templates' surroundings: one jinja2 environment per sink, in which nothing reaches the page unescaped.

Every expression of a template passes the sink's function of ``fumehood.text``, whatever it is and whoever wrote it;
only ``Markup``, which filters here make from numbers and from already escaped text, passes as it is. A template cannot
forget to escape. No I/O but reading the templates that ship with the package.
"""

import shlex
from collections.abc import Callable
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fumehood import text
from fumehood.records import Run
from fumehood.report import (
    advice,
    commands,
    conclusion,
    fit,
    improvements,
    methods,
    patterns,
    spending,
    tables,
    words,
    worth,
)


def fill(template: str, sink: str, **values: Any) -> str:
    """The template's text for ``sink``, "markdown" or "html"."""
    environment = _html() if sink == "html" else _markdown()
    return environment.get_template(template).render(**values)


def context(run: Run) -> dict[str, Any]:
    """What all three documents are made from."""
    won = conclusion.winner(run)
    return {
        "run": run,
        "goal": run.settings.goal,
        "found": conclusion.conclusion(run),
        "shrinkage": conclusion.shrinkage(run),
        "public_labels": conclusion.public_labels(run),
        "won": won,
        "won_claims": tables.claimed(won.envelope if won else None),
        "unenforced": tables.unenforced(run),
        "won_curve": tables.learning_curve(tables.claimed(won.envelope if won else None)),
        "won_parameters": tables.parameters(won) if won else None,
        "recipe": tables.recipe(won) if won else {},
        "layers": words.architecture(won.plan.model_config_) if won and won.plan.model_config_ else (),
        "iterations": tables.iterations(run),
        "failures": tables.failures(run),
        "fit": fit.fit(run),
        "comparisons": [(one.number, one.decision.comparison) for one in run.iterations if one.decision.comparison],
        "finalists": tables.finalists(run),
        "noise": tables.noise(run),
        "rooms": tables.rooms(run),
        "splits": tables.splits(run),
        "stopped": words.STOPPED.get(run.stopped_because, "") if run.stopped_because else "",
        "methods": methods.intervals(run),
        "parameters": methods.parameters(run),
        "folds": methods.folds(run),
        "commands": _commands(run),
        "patterns": patterns.patterns(run),
        "spending": spending.rows(run),
        "improvements": improvements.improvements(run),
        "advice": advice.advice(run),
        "worth": worth.line(run),
        "baselines": run.baselines.results if run.baselines else (),
    }


def _commands(run: Run) -> dict[str, str]:
    return {
        "repeat": commands.shell(commands.repeat(run)),
        "resume": shlex.join(commands.RESUME),
        "predict": shlex.join(commands.predict(run)),
        "report": shlex.join(commands.REPORT),
    }


@cache
def _html() -> Environment:
    environment = _environment(text.html_text)
    environment.filters["whole"] = lambda value: _whole(value, text.html_text)
    return environment


@cache
def _markdown() -> Environment:
    environment = _environment(text.markdown)
    environment.filters["fenced"] = lambda value: _whole(value, text.fenced)
    return environment


def _whole(value: Any, escape: Callable[[str, int], str]) -> Markup:
    """A command, which is of no use when it is cut."""
    return Markup(escape(str(value), commands.LONGEST))  # noqa: S704 - just escaped


def _environment(escape: Callable[[str], str]) -> Environment:
    """Autoescape stays on in both: it leaves ``Markup`` alone, and ``finalize`` makes everything ``Markup``."""

    def finalize(value: Any) -> Any:
        return value if isinstance(value, Markup) else Markup(escape(str(value)))  # noqa: S704 - just escaped

    environment = Environment(
        loader=PackageLoader("fumehood.report"),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update({name: _trusted(function) for name, function in _NUMBERS.items()})
    environment.filters.update(label=words.label, setting=words.setting)
    return environment


_NUMBERS: dict[str, Callable[..., str]] = {
    "number": words.number,
    "interval": words.interval,
    "price": words.price,
    "estimate": words.estimate,
    "measure": words.measure,
    "level": words.level,
    "count": words.count,
    "counted": words.counted,
    "duration": words.duration,
    "size": words.size,
}


def _trusted(function: Callable[..., str]) -> Callable[..., Markup]:
    """The functions of ``words`` whose text is made of numbers alone."""

    def filtered(*values: Any) -> Markup:
        return Markup(function(*values))  # noqa: S704 - text of numbers alone

    return filtered
