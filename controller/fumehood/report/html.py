"""The report as one HTML page that needs nothing else: no script, no font, no image, no request.

Pure. The page's own Content-Security-Policy forbids everything but its inline style. Every string is escaped by the
template's environment (``page``); what is trusted as markup here is made of numbers (``plots``).
"""

from markupsafe import Markup

from fumehood.records import Run, Score
from fumehood.report import methods, plots, tables
from fumehood.report import page as templates
from fumehood.report.conclusion import winner
from fumehood.report.markdown import LARGEST_MATRIX


def page(run: Run) -> str:
    """``reports/report.html``."""
    context = templates.context(run)
    values = context | {
        "tables": tables,
        "largest_matrix": LARGEST_MATRIX,
        "matrix": _shades(run.final.score) if run.final else (),
        "history": Markup(plots.history(run)) if any(methods.scores(run)) else None,  # noqa: S704 - drawn from numbers alone
        "strip": _strip(run),
        "curves": _curves(run),
        "calibration": _calibration(run),
        "layer_claims": next((c.summary for c in context["won_claims"] if c.summary), None),
        "baseline": next((one.score.baseline for one in run.iterations if one.score), None),
        "log_tails": [(one.number, one.envelope.log_tail) for one in run.iterations if one.envelope.failure],
    }
    return templates.fill("report.html.j2", "html", **values)


def _strip(run: Run) -> Markup | None:
    if run.final is None:
        return None
    score = run.final.score
    drawn = plots.strip(score.primary, score.baseline, run.settings.goal.target)
    return Markup(drawn)  # noqa: S704 - drawn from numbers alone


def _curves(run: Run) -> Markup | None:
    won = winner(run)
    claims = tables.claimed(won.envelope if won else None)
    losses = [claim.train_loss for claim in claims if claim.train_loss]
    held_out = [claim.held_out_loss for claim in claims if claim.held_out_loss]
    return Markup(plots.curves(losses, held_out)) if losses else None  # noqa: S704 - drawn from numbers alone


def _calibration(run: Run) -> Markup | None:
    if run.final is None or not run.final.score.calibration:
        return None
    return Markup(plots.calibration(run.final.score.calibration))  # noqa: S704 - drawn from numbers alone


def _shades(score: Score) -> tuple[tuple[int, ...], ...]:
    """Each cell of the confusion matrix as a percentage of its row, for the heat map's colour."""
    return tuple(tuple(round(100 * cell / max(sum(row), 1)) for cell in row) for row in score.confusion)
