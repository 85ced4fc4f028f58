"""How often the other intervals of a result cover the truth: bins, classes, mistakes, calibration error, differences.

``test_interval_coverage`` has the main interval and those shown beside it. The numbers are in the docstrings of what
makes each interval, and in what reports say of it. Truths are in closed form, or integrals over the seeds' effect, or
the mean of 200 seeds on 5,000 examples each.

``python tests/scoring/test_coverage_of_parts.py`` prints the whole tables.
"""

from dataclasses import replace
from functools import lru_cache
from itertools import product

import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import norm
from simulated import Setting, measured, search
from test_interval_coverage import NODES, WEIGHTS, probabilities_of_three, seed_effects, shared

from fumehood.scoring import METRICS, classes, probability
from fumehood.scoring.comparison import between
from fumehood.scoring.intervals import interval
from fumehood.scoring.noise import SeedSpread

pytestmark = pytest.mark.evaluation


def covers(found, truth):
    return found.low <= truth <= found.high


# ---- bins of the calibration curve ---------------------------------------------------------------------------------


def margins(rng, seeds, examples, rho, seed_sd, sharpness):
    """Logits of two classes, N x 2 per seed, and targets; seeds differ in how well they tell the classes apart."""
    targets = rng.integers(0, 2, examples)
    signal = 1.2 + seed_sd * rng.standard_normal(seeds)
    noise = shared(rng, seeds, examples, rho)
    return targets, [
        np.stack([-m, m], axis=1) * sharpness / 2
        for m in (s * (2 * targets - 1) + n for s, n in zip(signal, noise, strict=True))
    ]


def accuracy_of_bins(seed_sd, sharpness):
    """True accuracy in each bin, over all seeds and examples: of all predictions that fall into it, which are right."""
    ends = np.arange(probability.CALIBRATION_BINS + 1) / probability.CALIBRATION_BINS
    ends = ends[ends >= 0.5 - 1 / probability.CALIBRATION_BINS]
    with np.errstate(divide="ignore"):
        limits = np.log(np.maximum(ends, 0.5) / (1 - np.maximum(ends, 0.5))) / sharpness
    signal = (1.2 + seed_sd * NODES)[:, None]
    right = WEIGHTS @ np.diff(ndtr(limits - signal), axis=1)
    wrong = WEIGHTS @ np.diff(ndtr(limits + signal), axis=1)
    return {round(float(low), 6): r / (r + w) for low, r, w in zip(ends[:-1], right, wrong, strict=True)}


def bins_covered(seeds, examples, rho, seed_sd, sharpness, number):
    """Coverage over all bins that are shown, and over those that have Wilson's interval; NaN where there are none."""
    rng = np.random.default_rng([seeds, examples, int(rho * 10), int(seed_sd * 100), int(sharpness * 10)])
    truth, hits, wilsons = accuracy_of_bins(seed_sd, sharpness), [], []
    for _ in range(number):
        targets, logits = margins(rng, seeds, examples, rho, seed_sd, sharpness)
        for one in probability.calibration(targets, logits, range(seeds), 0.95):
            hits.append(covers(one.interval, truth[round(one.low, 6)]))
            wilsons.append(one.interval.method.startswith("Wilson"))
    hits, wilsons = np.array(hits, float), np.array(wilsons)
    return hits.mean(), hits[wilsons].mean() if wilsons.any() else np.nan


BINS = [
    (seeds, examples, rho, seed_sd, sharpness)
    for seed_sd, sharpness in product((0.02, 0.1, 0.3), (1.2, 4.0))
    for examples, seeds, rho in product((200, 2000), (3, 5, 10), (0.3, 0.9))
]


@pytest.mark.parametrize(("seeds", "examples", "seed_sd"), [(3, 200, 0.1), (3, 5000, 0.3), (5, 2000, 0.1)])
def test_intervals_of_bins_cover_their_accuracy_however_much_seeds_differ(seeds, examples, seed_sd):
    assert bins_covered(seeds, examples, 0.6, seed_sd, 1.2, 60)[0] >= 0.90


@pytest.mark.slow
@pytest.mark.parametrize("cell", BINS)
def test_the_whole_table_of_bins_holds(cell):
    assert bins_covered(*cell, 200)[0] >= 0.915


# ---- classes and mistakes ------------------------------------------------------------------------------------------


def predictions(rng, targets, shares, wrong, seed_sd, seeds, rho):
    """Each seed takes a class for the next one where noise, which seeds share in part, exceeds what the seed bears."""
    centre, spread = seed_effects(1 - wrong, seed_sd)
    bears = centre + spread * rng.standard_normal((seeds, 1))
    return list(np.where(shared(rng, seeds, len(targets), rho) > bears, (targets + 1) % len(shares), targets))


def rates_of_classes(shares, wrong, seed_sd):
    """True precision, recall and F1 of each class, as means over seeds; shape (3,) a class."""
    centre, spread = seed_effects(1 - wrong, seed_sd)
    right = ndtr(centre + spread * NODES)
    truths = []
    for k, share in enumerate(shares):
        taken = share * right + shares[k - 1] * (1 - right)
        truths.append([WEIGHTS @ (share * right / taken), 1 - wrong, WEIGHTS @ (2 * share * right / (share + taken))])
    return truths


def classes_covered(shares, wrong, seed_sd, seeds, examples, rho, number):
    """Coverage of precision, recall and F1, over all classes, and of the rates of mistakes."""
    rng = np.random.default_rng([seeds, examples, int(rho * 10), int(seed_sd * 1000), int(wrong * 1000), len(shares)])
    truths, names = rates_of_classes(shares, wrong, seed_sd), [str(k) for k in range(len(shares))]
    hits, shown = np.zeros(4), np.zeros(4)
    for _ in range(number):
        targets = rng.choice(len(shares), examples, p=shares)
        found = predictions(rng, targets, shares, wrong, seed_sd, seeds, rho)
        for report, truth in zip(classes.reports(targets, found, range(seeds), names, 0.95), truths, strict=True):
            intervals = (report.precision_interval, report.recall_interval, report.f1_interval)
            hits[:3] += [i is not None and covers(i, t) for i, t in zip(intervals, truth, strict=True)]
            shown[:3] += [i is not None for i in intervals]
        of_mistakes = classes.mistakes(targets, found, range(seeds), names, 0.95)
        hits[3] += sum(covers(one.interval, wrong) for one in of_mistakes if one.interval)
        shown[3] += sum(one.interval is not None for one in of_mistakes)
    return dict(zip(("precision", "recall", "f1", "mistakes"), hits / shown, strict=True))


def picked_mistakes_covered(seeds, examples, rho, number, seed_sd=0.02, wrong=0.2, kinds=10):
    """Mistakes that are all equally frequent, of which the most frequent by chance are shown."""
    rng, hits, shown = np.random.default_rng([seeds, examples, int(rho * 10)]), 0, 0
    centre, spread = seed_effects(1 - wrong, seed_sd)
    for _ in range(number):
        targets, other = rng.integers(0, kinds, examples), rng.integers(1, kinds, examples)
        bears = centre + spread * rng.standard_normal((seeds, 1))
        lost = shared(rng, seeds, examples, rho) > bears
        found = list(np.where(lost, (targets + other) % kinds, targets))
        for one in classes.mistakes(targets, found, range(seeds), [str(k) for k in range(kinds)], 0.95):
            hits += covers(one.interval, wrong / (kinds - 1))
            shown += 1
    return hits / shown


CLASSES = [
    (shares, wrong, seed_sd, seeds, examples, rho)
    for shares, wrong, seed_sd in product(((0.5, 0.3, 0.2), (0.9, 0.07, 0.03)), (0.05, 0.2), (0.002, 0.02))
    for seeds, examples, rho in product((3, 10), (200, 2000), (0.3, 0.9))
]
PICKED = [(seeds, examples, rho) for seeds, examples, rho in product((1, 3, 10), (200, 2000), (0.3, 0.9))]


@pytest.mark.parametrize(
    ("shares", "examples", "seed_sd"), [((0.5, 0.3, 0.2), 200, 0.02), ((0.9, 0.07, 0.03), 2000, 0.002)]
)
def test_intervals_of_classes_and_their_mistakes_cover_the_rates(shares, examples, seed_sd):
    for name, found in classes_covered(shares, 0.2, seed_sd, 3, examples, 0.6, 150).items():
        assert found >= 0.92, name


@pytest.mark.parametrize("seeds", [1, 3])
def test_mistakes_that_are_picked_for_being_frequent_are_covered_all_the_same(seeds):
    assert picked_mistakes_covered(seeds, 2000, 0.6, 20) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("cell", CLASSES)
def test_the_whole_table_of_classes_holds(cell):
    assert min(classes_covered(*cell, 300).values()) >= 0.92


@pytest.mark.slow
@pytest.mark.parametrize("cell", PICKED)
def test_the_whole_table_of_picked_mistakes_holds(cell):
    assert picked_mistakes_covered(*cell, 60) >= 0.92


# ---- the upper bound of the calibration error ----------------------------------------------------------------------


def calibration_errors(rng, seeds, examples, rho, sharpness, apart):
    targets, found = probabilities_of_three(rng, seeds, examples, rho, sharpness, apart)
    return [probability.measure(targets, p)["calibration_error"] for p in found]


@lru_cache
def true_calibration_error(sharpness, apart):
    rng = np.random.default_rng(4)
    many = [m for _ in range(10) for m in calibration_errors(rng, 20, 5000, 0.0, sharpness, apart)]
    return np.mean([m.value for m in many])


def calibration_error_covered(sharpness, seeds, examples, rho, number, level=0.95):
    """One seed is judged by its own calibration error, and several by the mean over all seeds."""
    rng, apart, hits = np.random.default_rng(5), float(seeds > 1), 0
    truth = true_calibration_error(sharpness, apart)
    for _ in range(number):
        values = calibration_errors(rng, seeds, examples, rho, sharpness, apart)
        found = interval(METRICS["calibration_error"], values, level)
        assert found.low == 0.0
        hits += truth <= found.high
    return hits / number


@pytest.mark.parametrize("sharpness", [1.3, 1.9, 3.0])
@pytest.mark.parametrize("examples", [300, 2000])
def test_the_upper_bound_of_the_calibration_error_holds_although_bins_bias_it(sharpness, examples):
    assert calibration_error_covered(sharpness, 3, examples, 0.5, 150) >= 0.94


# ---- the paired difference -----------------------------------------------------------------------------------------


def differences_covered(setting, number, *, alone=0, spread=False, level=0.95):
    """``alone``: how many sides have one seed; ``spread``: whether that of earlier candidates is known.

    The truth is the difference of the true accuracies: of all seeds, or without anything to tell the seeds' spread by,
    of the two seeds at hand, which have none then.
    """
    rng, hits, shown = np.random.default_rng(11), 0, 0
    for _ in range(number):
        (a, b), quality = search(setting, rng)
        slope = norm.pdf(ndtri(setting.mean))
        truth = ndtr(quality / np.sqrt(1 + (setting.seed_sd / slope) ** 2))
        known = SeedSpread(setting.seed_sd * np.sqrt(rng.chisquare(8) / 8), 8) if spread else None
        new, old = (measured(x[:1] if alone > k else x) for k, x in enumerate((a, b)))
        found = between(METRICS["accuracy"], new, old, level=level, spread=known).interval
        if found is not None:  # both candidates alike in every example, and in all seeds
            hits += covers(found, truth[0] - truth[1])
            shown += 1
    return hits / shown


SPREADS = {0.5: (0.002, 0.04), 0.9: (0.002, 0.01, 0.04), 0.99: (0.002, 0.005, 0.01)}
DIFFERENCES = [
    Setting(mean, sd, examples, seeds, candidates=2, quality_sd=apart)
    for mean, apart in ((0.5, 0.02), (0.9, 0.02), (0.99, 0.003))
    for sd, examples, seeds in product(SPREADS[mean], (200, 2000), (3, 5, 10))
]
LONE = [
    Setting(mean, sd, examples, 3, candidates=2, quality_sd=0.005)
    for mean, sd, examples in ((0.9, 0.002, 200), (0.9, 0.01, 2000), (0.9, 0.04, 2000), (0.99, 0.005, 200))
]


@pytest.mark.parametrize("setting", [DIFFERENCES[0], DIFFERENCES[12], DIFFERENCES[-12]])
def test_intervals_of_paired_differences_cover_them(setting):
    assert differences_covered(setting, 300) >= 0.92


@pytest.mark.slow
@pytest.mark.parametrize("setting", DIFFERENCES, ids=str)
def test_the_whole_table_of_differences_holds(setting):
    assert differences_covered(setting, 600) >= 0.92


def table():
    bins = [bins_covered(*cell, 200) for cell in BINS]
    show("bins", [found for found, _ in bins])
    show("bins with Wilson's interval", [found for _, found in bins if np.isfinite(found)])
    found = [classes_covered(*cell, 300) for cell in CLASSES]
    for name in found[0]:
        show(name, [one[name] for one in found])
    show("picked mistakes", [picked_mistakes_covered(*cell, 60) for cell in PICKED])
    cells = product((1.0, 1.3, 1.9, 3.0), (1, 3, 10), (300, 2000), (0.3, 0.9))
    show("calibration error, upper bound", [calibration_error_covered(*cell, 200) for cell in cells])
    show("differences", [differences_covered(setting, 600) for setting in DIFFERENCES])
    show("one seed, the other's spread", [differences_covered(one, 600, alone=1) for one in LONE])
    for alone in (1, 2):
        show(f"{alone} with one seed", [differences_covered(one, 600, alone=alone, spread=True) for one in LONE])
    same = [replace(one, seed_sd=1e-9) for one in LONE]
    show("one seed each, examples only", [differences_covered(one, 600, alone=2) for one in same])


def show(name, found):
    print(f"{name}: {min(found):.3f} to {max(found):.3f}", [round(float(one), 3) for one in found], flush=True)


if __name__ == "__main__":
    table()
