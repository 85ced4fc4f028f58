"""Scores from predictions and labels, by trusted code: pure functions, no containers, no LLM, no files.

``metrics``      what can be measured: names, directions, ranges, aliases (plain Python, light to import)
``score``        ``score(predictions, targets, ...) -> records.Score``, the one entry point
``baseline``     the predictor that a failed seed counts as, and that every score is compared with
``seeds``        what each seed of a candidate measured, failed ones included
``confusion``, ``ranking``, ``probability``, ``regression``
                 values with jackknife pseudo-values per example
``classes``      class by class: rates with intervals, and which classes are taken for which
``intervals``    confidence intervals over seeds and examples, with their measured coverage
``ratios``       the same of ratios of sums: a class's rates, a bin's share that is right
``bootstrap``    the percentile and the BCa bootstrap, shown beside and never claimed with
``comparison``   whether one candidate is better than another on the same examples
``multiple``     Holm's correction, over the comparisons that a search planned
``noise``        what chance alone does to a score, measured over repeated candidates
``racing``       whether a candidate's first seeds are enough to give it up

Importing this package loads none of numpy, scipy and scikit-learn; importing ``scoring.score`` does.
"""

from fumehood.scoring.metrics import METRICS, Metric, find

__all__ = ["METRICS", "Metric", "find"]
