"""Plots as SVG for the middle of an HTML page: same input, same bytes, in the page's own colours.

Only numbers are drawn: no text from a room, a plan or a data file reaches matplotlib. Colours are CSS variables of the
page, so that one drawing serves light and dark; letters are outlines, so that no font is needed. Nothing here touches
pyplot or a display. matplotlib is imported when the first plot is drawn.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

from fumehood.records import CalibrationBin, MetricSummary, Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _MUTED, _GRID, _ACCENT, _TARGET, _FAILED = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
_PAPER = "#070707"
_VARIABLES = {
    _INK: "var(--ink)",
    _MUTED: "var(--muted)",
    _GRID: "var(--line)",
    _ACCENT: "var(--accent)",
    _TARGET: "var(--target)",
    _FAILED: "var(--failed)",
    _PAPER: "var(--paper)",
}
_DASHES = ("-", (0, (6, 2)), (0, (2, 2)), (0, (6, 2, 1, 2)))
_WIDTH = 7.4
"""Inches; 10-point letters on a page column of about 700 pixels."""


@dataclass(frozen=True)
class _Point:
    number: int
    mean: float
    low: float
    high: float
    kept: bool


def history(run: Run) -> str:
    """Each candidate's validation score with its interval, the kept ones joined; target and baseline as lines."""
    points = [
        _point(one.number, one.score.primary, one.decision.verdict == "keep") for one in run.iterations if one.score
    ]
    failed = [one.number for one in run.iterations if not one.score]
    with _figure("history", 2.9) as (axes, done):
        _draw_history(axes, points)
        _reference_lines(axes, run)
        for number in failed:
            axes.plot([number], [0.03], "x", color=_FAILED, ms=6, mew=1.6, transform=axes.get_xaxis_transform())
        last = max(len(run.iterations), 1)
        axes.set_xlim(0.4, last + 0.6)
        axes.set_xticks(_ticks(last))
        axes.set_xlabel("iteration")
    return done[0]


def strip(found: MetricSummary, baseline: float, target: float | None) -> str:
    """One measurement on a line: interval, mean, the seeds' values, target and baseline."""
    point = _point(0, found, True)
    with _figure("strip", 1.1, width=5.4) as (axes, done):
        axes.plot([point.low, point.high], [0, 0], color=_ACCENT, lw=8, alpha=0.3, solid_capstyle="butt")
        axes.plot(found.values, [0] * len(found.values), "|", color=_ACCENT, ms=12, mew=1.2)
        axes.plot([found.mean], [0], "o", color=_ACCENT, ms=6.5)
        low, high = _limits([point.low, point.high, *found.values], target, baseline)
        if target is not None:
            _mark(axes, target, "target", _TARGET, "--")
        if low < baseline < high:
            _mark(axes, baseline, "baseline", _MUTED, ":")
        axes.set_xlim(low, high)
        axes.set_ylim(-1, 1)
        axes.set_yticks([])
        axes.grid(False)
        axes.spines["left"].set_visible(False)
    return done[0]


def curves(losses: Sequence[Sequence[float]], held_out: Sequence[Sequence[float]]) -> str:
    """Loss by epoch, a line per seed; held-out losses thinner. These are claims, and the page says so."""
    with _figure("curves", 2.6) as (axes, done):
        for index, values in enumerate(losses):
            style = _DASHES[index % len(_DASHES)]
            axes.plot(range(1, len(values) + 1), values, color=_ACCENT, lw=1.6, ls=style)
        for index, values in enumerate(held_out):
            style = _DASHES[index % len(_DASHES)]
            axes.plot(range(1, len(values) + 1), values, color=_MUTED, lw=1.0, ls=style)
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        shown = [value for values in (*losses, *held_out) for value in values]
        if shown and min(shown) > 0 and max(shown) > 20 * min(shown):
            _log_scale(axes)
    return done[0]


def calibration(bins: Sequence[CalibrationBin]) -> str:
    """Share of right predictions against their mean probability, a dot and an interval per bin; the diagonal."""
    most = max(one.count for one in bins)
    with _figure("calibration", 3.2, width=5.4) as (axes, done):
        axes.plot([0, 1], [0, 1], color=_MUTED, lw=1.0, ls=":")
        for one in bins:
            x, found = one.confidence, one.interval
            axes.plot([x, x], [found.low, found.high], color=_ACCENT, lw=1.6, alpha=0.6, solid_capstyle="butt")
            axes.plot([x], [one.accuracy], "o", color=_ACCENT, ms=3 + 6 * (one.count / most) ** 0.5)
        axes.set_xlim(min(one.low for one in bins), 1.005)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("probability")
        axes.set_ylabel("share right")
    return done[0]


def _draw_history(axes: "Axes", points: Sequence[_Point]) -> None:
    kept = [point for point in points if point.kept]
    dot = 5.0 if len(points) <= 20 else 3.6
    axes.plot([p.number for p in kept], [p.mean for p in kept], color=_ACCENT, lw=1.1, alpha=0.5, zorder=2)
    for point in points:
        color = _ACCENT if point.kept else _MUTED
        inner = color if point.kept else _PAPER
        axes.plot([point.number] * 2, [point.low, point.high], color=color, lw=1.8, alpha=0.7, solid_capstyle="butt")
        axes.plot([point.number], [point.mean], "o", color=color, ms=dot, mfc=inner, mew=1.3, zorder=3)


def _reference_lines(axes: "Axes", run: Run) -> None:
    """Target and baseline, and limits that show both unless the baseline is so far off that it would hide the rest."""
    scores = [one.score for one in run.iterations if one.score]
    if not scores:
        axes.set_yticks([])
        return
    bounds = [bound for score in scores for bound in _bounds(score.primary)]
    target, baseline = run.settings.goal.target, scores[0].baseline
    low, high = _limits(bounds, target, baseline)
    axes.set_ylim(low, high)
    for value, name, color, style in ((target, "target", _TARGET, "--"), (baseline, "baseline", _MUTED, ":")):
        if value is not None and low < value < high:
            axes.axhline(value, color=color, lw=1.2, ls=style, zorder=1)
            axes.annotate(
                name, (1, value), xycoords=("axes fraction", "data"), xytext=(6, 0), textcoords="offset points",
                va="center", color=color,
            )  # fmt: skip


def _limits(values: Sequence[float], target: float | None, baseline: float) -> tuple[float, float]:
    """Ends of an axis with some air: over the values and the target, and the baseline if it less than trebles that."""
    shown = [*values, *([] if target is None else [target])]
    narrow = max(shown) - min(shown)
    wide = max(*shown, baseline) - min(*shown, baseline)
    if wide <= 3 * narrow:
        shown.append(baseline)
    air = 0.09 * (max(shown) - min(shown)) or 0.05 * abs(max(shown)) or 1.0
    return min(shown) - air, max(shown) + air


def _log_scale(axes: "Axes") -> None:
    """Logarithmic, with plain numbers at the ticks: matplotlib's own labels are formulas, which are turned off here."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _mark(axes: "Axes", value: float, name: str, color: str, style: str) -> None:
    above = name == "target"
    axes.axvline(value, color=color, lw=1.2, ls=style)
    axes.annotate(
        name, (value, 1 if above else 0), xycoords=("data", "axes fraction"), xytext=(4, -2 if above else 3),
        textcoords="offset points", va="top" if above else "bottom", color=color,
    )  # fmt: skip


def _point(number: int, found: MetricSummary, kept: bool) -> _Point:
    low, high = _bounds(found)
    return _Point(number, found.mean, low, high, kept)


def _bounds(found: MetricSummary) -> tuple[float, float]:
    return (found.interval.low, found.interval.high) if found.interval else (found.mean, found.mean)


def _ticks(last: int) -> list[int]:
    step = 1 if last <= 20 else 5 if last <= 60 else 10 if last <= 150 else 50
    return [n for n in range(1, last + 1) if n == 1 or n % step == 0]


@contextmanager
def _figure(name: str, height: float, width: float = _WIDTH) -> Iterator[tuple["Axes", list[str]]]:
    """Axes to draw on; after the block the list holds the SVG. ``name`` keeps ids apart on a page of several plots."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    done: list[str] = []
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        settings: Any = matplotlib.rcParams
        settings.update(_style(name))
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        yield figure.add_subplot(), done
        drawn = StringIO()
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    done.append(_inline(drawn.getvalue(), name))


def _style(name: str) -> dict[str, Any]:
    return {
        "svg.hashsalt": f"fumehood-{name}",
        "svg.fonttype": "path",
        "text.parse_math": False,
        "font.size": 10,
        "text.color": _INK,
        "axes.edgecolor": _GRID,
        "axes.labelcolor": _MUTED,
        "xtick.color": _MUTED,
        "ytick.color": _MUTED,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": _GRID,
        "grid.linewidth": 0.7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "axes.formatter.useoffset": False,
    }


def _inline(svg: str, name: str) -> str:
    """The ``<svg>`` element alone, without metadata, with ids of its own and colours of the page."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"\s*<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\s(?:width|height)="[\d.]+pt"', "", body, count=2)
    body = re.sub(r'(\bid="|xlink:href="#|url\(#)', rf"\g<1>{name}-", body)
    for sentinel, variable in _VARIABLES.items():
        body = body.replace(sentinel, variable)
    return body.strip()
