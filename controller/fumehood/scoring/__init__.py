"""Scores from predictions and labels, by trusted code: pure functions, no containers, no LLM, no files.

``metrics``      what can be measured: names, directions, ranges, aliases (plain Python, light to import)
``score``        ``score(predictions, targets, ...) -> records.Score``, the one entry point
``baseline``     the predictor that a failed seed counts as, and that every score is compared with
``confusion``, ``ranking``, ``probability``, ``regression``
                 values with jackknife pseudo-values per example
``intervals``    confidence intervals over seeds and examples, with their measured coverage
``bootstrap``    the percentile bootstrap, shown beside and never claimed with

Importing this package loads none of numpy, scipy and scikit-learn; importing ``scoring.score`` does.
"""

from fumehood.scoring.metrics import METRICS, Metric, find

__all__ = ["METRICS", "Metric", "find"]
