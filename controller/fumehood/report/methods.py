"""The statistical methods of a run in words, with their sources: only those that its results name.

Pure. What is said here describes ``fumehood.scoring`` and ``fumehood.decision``; those modules' own docstrings hold the
formulas and how coverage was measured; every description of an interval says it too. A method that is not known here
is shown under its own name, without a description.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from fumehood.records import Interval, Run, Score
from fumehood.report import words

_SOURCES = {
    "seeds and examples": (
        "Covers both sources of doubt, which seeds were drawn and which examples. Crossed random effects of seed, "
        "example and rest (Searle, Casella and McCulloch, 1992). Student's t with S - 1 degrees of "
        "freedom for the seeds' part and N - 1 for the examples', each part with its own quantile (modified "
        "large-sample method, Graybill and Wang, 1980), less what both hold of the rest."
    ),
    "examples only": (
        "Covers the choice of examples and nothing else: there was one seed, or the seeds' predictions could not be "
        "told apart. It does not say how another seed would have done. Simulated coverage at level 0.95 of what that "
        "seed does on all examples: 0.93 to 0.97."
    ),
    "most frequent picked": (
        "Of the most frequent kinds of mistakes alone, which are by luck more frequent than they are: an interval over "
        "seeds and examples, or examples only, widened for having been picked (false coverage rate, Benjamini and "
        "Yekutieli, 2005). Simulated coverage at level 0.95 of the twenty most frequent among ninety equal kinds: 0.93 "
        "to 0.98; unwidened 0.78 to 0.93."
    ),
    "t with Satterthwaite's degrees of freedom": (
        "Mean plus and minus one quantile of Student's t times the standard error, with the degrees of freedom of "
        "Satterthwaite (1946) for the sum of the variances over seeds and over examples. Simulated coverage at level "
        "0.95: 0.92 to 0.97 for accuracies of 0.5 and 0.9, and 0.84 to 0.95 for 0.99; 0.86 to 0.96 for one seed. Shown "
        "beside; no decision and no claim rests on it."
    ),
    "percentile bootstrap": (
        "Seeds and examples redrawn with replacement, with the same random numbers for every candidate. Simulated "
        "coverage at level 0.95: 0.86 to 0.97 for one seed, 0.63 to 0.98 over three, 0.81 to 0.98 over five, 0.83 to "
        "0.98 over ten. Shown beside; no decision and no claim rests on it."
    ),
    "BCa bootstrap": (
        "The same draws, read off at levels corrected for bias and acceleration (Efron, 1987); the acceleration joins "
        "the jackknife's influences of seeds and of examples (Davison and Hinkley, 1997). Simulated coverage at level "
        "0.95: 0.86 to 0.98 for one seed, 0.66 to 0.98 over three, 0.83 to 0.98 over five, 0.85 to 0.98 over ten. "
        "Shown beside; no decision and no claim rests on it."
    ),
    "paired comparison": (
        "The difference of two means on the same examples: variance over examples of the paired difference, and over "
        "the independent seeds of both (Welch, 1947), each with its own quantile of Student's t. Simulated coverage at "
        "level 0.95: 0.94 to 0.99; 0.93 to 0.99 with one seed. One-sided p-value; Holm's correction (1979) counts "
        "every comparison that the search planned. Simulated searches over twenty equal candidates claimed an "
        "improvement in 0 to 0.6% at level 0.95."
    ),
    "Wilson": (
        "Wilson's score interval (1927) of a share, with all seeds' predictions of an example counted as one: for bins "
        "in which a seed has no prediction, or one example is alone. Simulated coverage at level 0.95: 1.00, since "
        "such bins hold too few to rule out much."
    ),
}

_SCALES = {
    "score": (
        "Kept inside 0 to 1 by Wilson's score interval with the effective number of examples that the variance implies "
        "(Dean and Pagano, 2015). Simulated coverage at level 0.95 over seeds and examples: 0.93 to 0.98, for classes "
        "and bins 0.92 to 1.00; up to 0.99 where hardly any errors are expected, down to 0.61 where the spread over "
        "seeds is several times the mean error rate."
    ),
    "log": (
        "Computed on the logarithm (delta method), so that it stays above 0. Simulated coverage at level 0.95 over "
        "three and five seeds: 0.94 to 0.98."
    ),
    "log_gap": (
        "Computed on the logarithm of the distance to the best possible value (delta method). Simulated coverage at "
        "level 0.95 over three and five seeds: 0.96 to 0.97."
    ),
    "atanh": (
        "Computed on Fisher's z and transformed back. Simulated coverage at level 0.95 over three and five seeds: 0.95 "
        "to 0.97."
    ),
    "upper": (
        "Only the upper end says something: bins bias a calibration error upwards by an unknown amount, so the "
        "interval begins at the best possible value. Simulated coverage at level 0.95 over one, three and ten "
        "seeds: 0.97 to 1.00."
    ),
}


@dataclass(frozen=True)
class Method:
    """One interval method as the results name it; ``description`` is empty for one that is not known here.

    In parts, since a sink shows no more than 500 characters of any text.
    """

    name: str
    description: tuple[str, ...]


def intervals(run: Run) -> tuple[Method, ...]:
    """Every interval method that a score of ``run`` names, once each, claimed ones before those shown beside."""
    names = dict.fromkeys(f"{found.method} ({words.level(found)})" for found in _all_intervals(run))
    return tuple(Method(name, describe(name.rpartition(" (")[0])) for name in names)


def folds(run: Run) -> tuple[str, ...]:
    """How k-fold validation was done, in parts; empty for a run without folds."""
    count = len(run.dataset.folds) if run.dataset else 0
    if not count:
        return ()
    return (
        f"All rows that are not for test are divided into {count} folds. Each fold is predicted by a model that was "
        f"trained from scratch on the other {count - 1}, with encoders fitted on these; the predictions for all folds "
        "together are a seed's on validation.",
        f"The sealed test is predicted by a seed's {count} models, and their probabilities or values are averaged: "
        "an ensemble inside each seed, never across seeds.",
        "Intervals take rows as independent. Models of different folds share training rows, which no estimate from one "
        "division into folds can account for (Bengio and Grandvalet, 2004), so those on validation may be too narrow; "
        "the one on the sealed test is free of that.",
        "Labels of a fold are in the train rooms of the others. Those are destroyed before a room is asked about the "
        "fold's rows; the labels for test are in no room.",
    )


def parameters(run: Run) -> tuple[str, ...]:
    """The numbers that the methods of ``run`` were used with, a sentence for each; empty where nothing was scored."""
    # With numpy: loaded when there is a report to write.
    from fumehood.scoring import bootstrap, probability, racing

    found = list(scores(run))
    used = []
    if any("bootstrap" in other.method for one in found for s in one.metrics.values() for other in s.shown_beside):
        generator = f"NumPy's default generator, begun anew with seed {bootstrap.SEED} for every score"
        used.append(f"Bootstrap: {bootstrap.DRAWS:,} draws from {generator}.")
    if any(one.calibration or "calibration_error" in one.metrics for one in found):
        bins = f"{probability.CALIBRATION_BINS} bins of equal width, from 0 to 1"
        used.append(f"Calibration error and table: {bins}; the table leaves out those without predictions.")
    return (*used, _racing(run, racing.LEVEL)) if found else ()


def _racing(run: Run, level: float) -> str:
    told = f"Racing, one-sided at level {level:g}"
    raced = [one.envelope for one in run.iterations if len(one.envelope.stages) > 1 or one.envelope.given_up]
    if not raced:
        return f"{told}: no candidate was judged before it had all its seeds."
    first = " or ".join(f"{n}" for n in sorted({one.stages[0] for one in raced if one.stages})) or "some"
    candidates = words.counted(len(run.iterations), "candidate")
    given_up = sum(one.given_up for one in raced)
    return (
        f"{told}: {len(raced)} of {candidates} judged after {first} of {run.settings.num_seeds} seeds, {given_up} "
        "given up. The spread over seeds is pooled over the candidates that led before."
    )


def describe(name: str) -> tuple[str, ...]:
    """What an interval's ``method`` means, in a few sentences; empty where nothing is known of it."""
    source = next((text for start, text in _SOURCES.items() if name.startswith(start)), "")
    scale = _SCALES.get(name.rpartition(", ")[2], "")
    return tuple(text for text in (source, scale) if text)


def scores(run: Run) -> Iterator[Score]:
    """The sealed test's score first, then the candidates' in order."""
    if run.final is not None:
        yield run.final.score
    yield from (one.score for one in run.iterations if one.score is not None)


def _all_intervals(run: Run) -> list[Interval]:
    summaries = [summary for score in scores(run) for summary in score.metrics.values()]
    claimed = [s.interval for s in summaries if s.interval is not None]
    binned = [one.interval for score in scores(run) for one in score.calibration]
    compared = [one.decision.comparison.interval for one in run.iterations if one.decision.comparison]
    if run.baseline_final is not None:
        compared.append(run.baseline_final.comparison.interval)
    plain = [one.score.primary.interval for one in (run.baselines.results if run.baselines else ()) if one.score]
    compared += [*plain, *([run.baseline_final.score.primary.interval] if run.baseline_final else [])]
    beside = [other for s in summaries for other in s.shown_beside]
    return [*claimed, *binned, *(found for found in compared if found is not None), *beside]
