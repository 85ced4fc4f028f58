"""Racing: a candidate that is clearly worse gets no more seeds, and hardly ever is the best one among those."""

import numpy as np
import pytest
from simulated import Setting, logits, measured, search

from fumehood.errors import InternalError
from fumehood.scoring import METRICS
from fumehood.scoring.baseline import Baseline
from fumehood.scoring.measured import mean_of
from fumehood.scoring.noise import SeedSpread, pooled_seed_std
from fumehood.scoring.racing import clearly_worse, worse
from fumehood_shared.messages import Task

pytestmark = pytest.mark.evaluation
ACCURACY = METRICS["accuracy"]

SETTINGS = [
    Setting(0.93, 0.008, 360, 3, quality_sd=0.03),
    Setting(0.93, 0.008, 360, 5, quality_sd=0.03),
    Setting(0.90, 0.005, 2000, 3, quality_sd=0.02),
    Setting(0.90, 0.005, 2000, 3, quality_sd=0.01),
]


def raced(candidates):
    """The number of the candidate that a search with racing picks, and how many seeds it ran."""
    best, best_mean, used = 0, candidates[0].mean(), len(candidates[0])
    incumbent, values = measured(candidates[0]), [candidates[0].mean(axis=1)]
    for number, right in enumerate(candidates[1:], start=1):
        new, spread = measured(right), pooled_seed_std(values)
        planned = len(new)
        given = next(
            (k for k in range(1, planned) if gives_up(new[:k], incumbent, spread, planned)),
            planned,
        )
        used += given
        values.append([m.value for m in new[:given]])
        if given == planned and right.mean() > best_mean:
            best, best_mean, incumbent = number, right.mean(), new
    return best, used


def gives_up(new, incumbent, spread, planned):
    return worse(ACCURACY, new, incumbent, alive=[True] * len(new), spread=spread, planned=planned)


@pytest.mark.parametrize("setting", SETTINGS)
def test_racing_picks_the_true_best_as_often_as_full_evaluation_with_three_fifths_of_the_seeds(setting):
    rng, searches = np.random.default_rng(11), 400
    full = hits = used = 0
    for _ in range(searches):
        candidates, quality = search(setting, rng)
        best = quality.argmax()
        full += int(np.argmax([right.mean() for right in candidates])) == best
        pick, seeds = raced(candidates)
        hits += pick == best
        used += seeds
    assert hits / searches >= full / searches - 0.01
    assert used / (searches * setting.candidates * setting.seeds) <= 0.60


# ---- the rule -----------------------------------------------------------------------------------------------------


def seeds_of(*shares, examples=400):
    """One seed for each share, right on that share of the examples, the first ones."""
    return [mean_of((np.arange(examples) < share * examples).astype(float)) for share in shares]


def judged(new, old, spread=None, planned=3, alive=None, metric=ACCURACY):
    return worse(metric, new, old, alive=alive or [True] * len(new), spread=spread, planned=planned)


def test_far_behind_after_one_seed_is_clearly_worse_and_close_behind_is_not():
    incumbent, spread = seeds_of(0.95, 0.96, 0.94), SeedSpread(0.01, 6)
    assert judged(seeds_of(0.80), incumbent, spread)
    assert not judged(seeds_of(0.945), incumbent, spread)
    assert not judged(seeds_of(0.99), incumbent, spread)


def test_the_limit_is_the_prediction_of_the_mean_over_all_planned_seeds():
    # Incumbent 0.95; t(6, 0.95) = 1.943; s = 0.06, larger than the paired error; sqrt(1 - 1/3) = 0.8165: 0.0952 below.
    incumbent, spread = seeds_of(0.95, 0.95, 0.95, examples=10_000), SeedSpread(0.06, 6)
    assert judged(seeds_of(0.8540, examples=10_000), incumbent, spread)
    assert not judged(seeds_of(0.8555, examples=10_000), incumbent, spread)


def test_with_more_seeds_measured_less_can_still_change():
    incumbent, spread = seeds_of(0.95, 0.95, 0.95), SeedSpread(0.03, 6)
    assert not judged(seeds_of(0.91), incumbent, spread)
    assert judged(seeds_of(0.91, 0.90), incumbent, spread)


def test_nothing_known_of_seeds_leaves_the_paired_comparison_on_the_examples():
    assert judged(seeds_of(0.80), seeds_of(0.95))
    assert not judged(seeds_of(0.9475), seeds_of(0.95))


def test_a_spread_of_nothing_does_not_give_up_a_candidate_that_is_one_example_behind():
    incumbent = seeds_of(0.98, 0.98, 0.98, examples=50)
    assert not judged(seeds_of(0.96, examples=50), incumbent, SeedSpread(0.0, 4))


def test_less_is_better_for_a_loss():
    rng = np.random.default_rng(0)
    losses = [mean_of(rng.exponential(m, 400)) for m in (0.2, 0.21, 0.2)]
    high, low = mean_of(rng.exponential(0.9, 400)), mean_of(rng.exponential(0.05, 400))
    assert judged([high], losses, SeedSpread(0.02, 4), metric=METRICS["log_loss"])
    assert not judged([low], losses, SeedSpread(0.02, 4), metric=METRICS["log_loss"])


def test_a_failed_first_seed_is_given_up_only_where_perfect_seeds_could_not_make_up_for_it():
    incumbent, spread = seeds_of(0.95, 0.95, 0.95), SeedSpread(0.01, 6)
    assert judged(seeds_of(0.1), incumbent, spread, alive=[False])
    assert not judged(seeds_of(0.9), incumbent, spread, alive=[False])
    rmse = mean_of(np.full(50, 70.0))
    assert not judged([rmse], [mean_of(np.full(50, 60.0))], alive=[False], metric=METRICS["rmse"])


def test_predictions_of_the_first_seeds_are_enough_to_judge_by():
    targets = np.arange(300) % 2
    rng = np.random.default_rng(1)
    good, bad = ((rng.random((3, 300)) < share) for share in (0.95, 0.7))
    asked = {"task": Task.CLASSIFICATION, "metric": "accuracy", "class_names": ["a", "b"], "planned": 3,
             "baseline": Baseline.fit(targets, Task.CLASSIFICATION, 2), "spread": SeedSpread(0.01, 4)}  # fmt: skip
    incumbent = logits(good, targets)
    assert clearly_worse(logits(bad, targets)[:1], incumbent, targets, **asked)
    assert not clearly_worse(incumbent[:1], incumbent, targets, **asked)
    assert clearly_worse([None, None], incumbent, targets, **asked)


def test_more_seeds_than_planned_are_our_bug():
    with pytest.raises(InternalError):
        judged(seeds_of(0.9, 0.9), seeds_of(0.9), planned=1)
