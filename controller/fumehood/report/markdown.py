"""The two Markdown documents: what a reader needs to know, and what a reviewer needs to check. Pure."""

from fumehood.records import Run
from fumehood.report import page, tables

LARGEST_MATRIX = 20
"""Classes up to which a confusion matrix is shown whole."""


def research_summary(run: Run) -> str:
    """``reports/research_summary.md``: question, data, method, history, result and how to go on."""
    return page.fill("research_summary.md.j2", "markdown", **page.context(run))


def statistical_analysis(run: Run) -> str:
    """``reports/statistical_analysis.md``: methods, every metric with its values, facts and claims apart."""
    values = page.context(run) | {"tables": tables, "largest_matrix": LARGEST_MATRIX}
    return page.fill("statistical_analysis.md.j2", "markdown", **values)
