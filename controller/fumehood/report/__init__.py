"""What a run leaves for people and for programs, derived from one ``Run`` and from nothing else.

The same ``Run`` gives the same bytes (with the same version of matplotlib). Any run can be written: unfinished, without
a survivor, with failures only, before its data set is known. Files that the run does not call for are left alone. The
libraries that draw and fill templates are imported when the first report is written.
"""

from dataclasses import dataclass
from pathlib import Path

from fumehood.records import Run

__all__ = ["ReportPaths", "write"]


@dataclass(frozen=True)
class ReportPaths:
    """Where everything lies; ``final`` is None until the seal was opened."""

    research_summary: Path
    statistical_analysis: Path
    html: Path
    registry: Path
    evaluations: tuple[Path, ...]
    final: Path | None
    baselines: Path | None
    """None until they were fitted."""
    memory: Path | None
    """None for a run without memory."""


def write(run: Run, directory: Path) -> ReportPaths:
    """Write all reports of ``run`` under ``directory``, each file whole or not at all. Raises ``OSError``."""
    from fumehood.report import html, markdown, registry
    from fumehood.report.files import write_text

    run = run.model_copy(update={"iterations": tuple(run.iterations)})  # read many times from here on
    reports, experiments = directory / "reports", directory / "experiments"
    evaluations = experiments / "evaluations"
    final, baselines, remembered = registry.final(run), registry.baselines(run), registry.memory(run)
    return ReportPaths(
        registry=write_text(experiments / "registry.json", registry.registry(run)),
        evaluations=(
            *(write_text(evaluations / f"{one.number:03d}.json", registry.evaluation(one)) for one in run.iterations),
            *(write_text(evaluations / f"{o.iteration:03d}-fresh.json", registry.finalist(o)) for o in run.remeasured),
        ),
        final=write_text(evaluations / "final.json", final) if final else None,
        baselines=write_text(evaluations / "baselines.json", baselines) if baselines else None,
        memory=write_text(experiments / "memory_insights.json", remembered) if remembered else None,
        research_summary=write_text(reports / "research_summary.md", markdown.research_summary(run)),
        statistical_analysis=write_text(reports / "statistical_analysis.md", markdown.statistical_analysis(run)),
        html=write_text(reports / "report.html", html.page(run)),
    )
